"""Pages about what was measured: KPIs, experiments, drift, models."""
