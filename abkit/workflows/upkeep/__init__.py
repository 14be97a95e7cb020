"""What keeps a workspace going: making it, its people, backups, old rows."""
