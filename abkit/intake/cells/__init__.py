"""Cells of tables as data frames, with what their numbers and names mean."""
