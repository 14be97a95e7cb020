"""The loop: score, shortlist, import KPIs, correlate, check drift, report."""
