"""The JSON API under /api/v1: the records of the Python API, with pages, entity tags and problems in words."""
