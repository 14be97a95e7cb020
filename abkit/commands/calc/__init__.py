"""`abkit calc`: the statistics as a calculator."""
