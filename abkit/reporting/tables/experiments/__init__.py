"""Show experiments, and the programme that they belong to."""
