"""Train, evaluate, explain and activate scorers."""
