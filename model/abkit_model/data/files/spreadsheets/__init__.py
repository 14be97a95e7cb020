"""Read spreadsheets: their sheets, what cells show instead of what they hold, tables beside tables."""
