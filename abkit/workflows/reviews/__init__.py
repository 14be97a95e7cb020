"""Reviews of variants, and what the page of reviews shows."""
