"""Rows of a query, from databases that the user names."""
