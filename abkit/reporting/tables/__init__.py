"""Show records: as tables of text in a terminal, as HTML in a notebook."""
