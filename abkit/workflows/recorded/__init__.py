"""What the store has on record, page by page: nothing is computed, and nothing is written."""
