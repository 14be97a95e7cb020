"""Operate a workspace: create it, upgrade it, schedule jobs, handle alerts."""
