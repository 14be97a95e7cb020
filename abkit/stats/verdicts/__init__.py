"""Turn figures into a verdict: guards, sample ratios, equivalence, corrections for many tests."""
