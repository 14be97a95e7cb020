"""Learn from what was delivered: the appeal of creatives, and what follows from it."""
