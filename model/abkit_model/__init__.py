"""The query-based scorer of abkit: a frozen image encoder, learnable queries, a distribution of opinion scores.

Importing this package costs nothing; `abkit_model.scorer` needs torch (the extra `model`).
"""
