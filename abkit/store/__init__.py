"""The SQL store: tables, transactions, queries. No statistics."""
