"""Dates, as exports write them."""
