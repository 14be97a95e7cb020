"""Read KPI exports: text, columns, numbers, dates, checks."""
