"""Rules, states and delivery of alerts."""
