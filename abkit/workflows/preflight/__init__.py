"""Checks before launch, without a store or a model: what lies in the files, held against what placements ask."""
