"""Plan a test: sample sizes, power, detectable lifts, informative pairs."""
