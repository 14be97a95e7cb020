"""Experiments from the rows of their units."""
