"""Measure the appeal of creatives: what they got over what was expected where, when and to whom they were shown."""
