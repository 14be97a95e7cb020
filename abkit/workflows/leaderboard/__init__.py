"""The creatives of a campaign side by side: made by a run, kept in the store, read page by page."""
