"""What comes in from outside: creatives, KPI exports, ratings. It trusts nothing."""
