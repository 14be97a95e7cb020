"""Records: frozen results that become plain data and render themselves.

Like the errors, their root lies with the scorer, which imports nothing of abkit and returns records too.
"""

from abkit_model.records import Record, RecordList, decimal, percent, render_with, to_json, to_plain

__all__ = ["Record", "RecordList", "decimal", "percent", "render_with", "to_json", "to_plain"]
