"""`abkit experiment`: design, analyze and decide A/B tests."""
