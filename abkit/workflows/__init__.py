"""One file a job: read the store, compute, record."""
