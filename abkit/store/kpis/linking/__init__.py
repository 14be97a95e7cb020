"""Which creatives an ad shows."""
