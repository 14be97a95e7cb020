"""Draw charts and contact sheets."""
