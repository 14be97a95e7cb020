"""Show checks before launch."""
