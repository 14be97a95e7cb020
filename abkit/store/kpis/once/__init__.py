"""Which stored rows count, so that each impression counts once."""
