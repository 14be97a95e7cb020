"""The database itself: connections, migrations, what its faults mean, statements and staging."""
