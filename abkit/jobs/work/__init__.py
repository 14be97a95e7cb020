"""The work that jobs do: folders, findings, upkeep."""
