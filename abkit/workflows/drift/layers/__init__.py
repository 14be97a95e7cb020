"""What a check compares, one module per layer: data, input and score, delivery, experiments, the long run."""
