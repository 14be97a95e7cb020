"""What the units of an analysis are: impressions, paired days, blocks of days, geographies, or sums per unit."""
