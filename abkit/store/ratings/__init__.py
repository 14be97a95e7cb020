"""Keep ratings, comparisons and raters."""
