"""From the bytes of a file to RGB pixels: what kind it is, its colors, its transparency, its frames."""
