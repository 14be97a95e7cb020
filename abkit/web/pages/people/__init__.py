"""Pages about people: signing in, accounts, raters."""
