"""Analyze while data come in: at any time, or at planned looks."""
