"""abkit for language models: what it knows, as tools of the Model Context Protocol. By default they only read."""
