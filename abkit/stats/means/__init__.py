"""Compare means and ratios of means, with or without a covariate."""
