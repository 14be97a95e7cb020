"""What becomes of each row of an export."""
