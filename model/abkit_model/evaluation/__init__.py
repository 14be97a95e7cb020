"""Measure a scorer: metrics, calibration, agreement with comparisons."""
