"""Compose the HTML report."""
