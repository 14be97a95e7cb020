"""A workspace for tools: stocked, and one whose scorer is quick to load."""

from tests.web.api.conftest import quick_checkpoint, studio
from tests.web.conftest import own_stocked, stocked

__all__ = ["own_stocked", "quick_checkpoint", "stocked", "studio"]
