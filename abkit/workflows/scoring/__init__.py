"""Score creatives and choose which to launch."""
