"""Show scores, shortlists, and the models that they come from."""
