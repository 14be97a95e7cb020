"""Pure statistics: arrays or counts in, a frozen record out."""
