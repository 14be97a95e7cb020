"""From tables of ratings and comparisons to training targets, and the token cache."""
