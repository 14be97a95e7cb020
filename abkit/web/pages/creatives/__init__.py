"""Pages about campaigns and their creatives: scores, labels, reviews, uploads."""
