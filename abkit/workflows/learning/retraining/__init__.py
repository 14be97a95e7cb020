"""Training again: tables to learn from, a challenger, its trial on later launches."""
