"""The daemon: the catalogue of jobs, and the claims that make a tick run once."""
