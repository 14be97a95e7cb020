"""Train queries on cached tokens, hold out folds, release a checkpoint."""
