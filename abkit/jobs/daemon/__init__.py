"""Run schedules: claim ticks, supervise children, take over what was left."""
