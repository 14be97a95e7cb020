"""Files that lie elsewhere: in a bucket or behind an address of the web, fetched before they are read."""
