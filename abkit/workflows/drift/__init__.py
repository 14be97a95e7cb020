"""Check for drift, layer by layer, and decide."""
