"""What the daemon does and says: schedules with their ticks, alerts with their deliveries."""
