"""The demo: rendered creatives, a simulated world with a known truth, and the loop run through it."""
