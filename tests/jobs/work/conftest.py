"""Jobs are tested on SQLite, unless a test asks for both engines."""

from tests.alerts.conftest import store

__all__ = ["store"]
