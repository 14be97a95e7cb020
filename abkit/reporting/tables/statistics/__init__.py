"""Show what the statistics return: comparisons, designs, shifts."""
