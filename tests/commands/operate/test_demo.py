"""What `abkit demo` prints at its end."""

from datetime import date

import pytest

from abkit.commands.operate.demo import _print_closing
from abkit.demo.closing import Closing


@pytest.mark.parametrize(
    ("until", "line"),
    [
        (None, "  learned  nothing: no challenger was trained"),
        (date(2026, 3, 2), "  learned  until 2026-03-02, from the (simulated) clicks since the change was found"),
    ],
)
def test_the_demo_says_until_when_was_learned_or_that_nothing_was(
    capsys: pytest.CaptureFixture[str], until: date | None, line: str
) -> None:
    day = date(2026, 3, 20)
    _print_closing(
        Closing(
            day=day,
            decision="not_enough",
            reason="not enough",
            learned_until=until,
            figures=None,
            checks=((day, "retrain"),),
            alerts=("taste",),
        )
    )
    assert capsys.readouterr().out.splitlines()[0] == line
