"""Watch scores and KPIs: correlation, shifts of distributions, levels and relations, the triage."""
