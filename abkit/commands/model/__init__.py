"""`abkit model` and `abkit ratings`: train, evaluate, promote, explain."""
