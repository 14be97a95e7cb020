"""The windows of a check: resolved once, sketched for long runs, traced afterwards."""
