"""Whether two windows differ: in a distribution, categories, a level, a relation, a segment."""
