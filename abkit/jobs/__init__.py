"""Scheduled jobs: the catalog of jobs, their schedules, and the daemon, which runs each tick once."""
