"""Read tables of any kind: encodings, sheets, Parquet, and how each cell is written."""
