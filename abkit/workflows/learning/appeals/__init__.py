"""The appeal of creatives: what clicks say about each, by what was delivered and by experiments."""
