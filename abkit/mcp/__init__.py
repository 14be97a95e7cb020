"""abkit for language models: what it knows, as tools of the Model Context Protocol. Nothing is changed by them."""
