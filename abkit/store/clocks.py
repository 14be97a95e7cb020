"""How far clocks may differ: what carries a later instant was written by a clock that ran ahead, and does not count."""

from datetime import timedelta

#: The clocks of two machines may differ by this much.
CLOCK_TOLERANCE = timedelta(minutes=10)
