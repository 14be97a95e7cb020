"""Compare proportions: rates of two arms, exactly, by score, by Bayes, and thousands at once."""
