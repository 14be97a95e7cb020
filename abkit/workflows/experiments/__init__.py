"""Design, analyze and decide A/B tests."""
