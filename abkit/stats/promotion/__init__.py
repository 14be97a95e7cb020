"""Proof before promotion: what a challenger gains over the champion on later launches, and what a retry costs."""
