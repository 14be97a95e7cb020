"""The screen of the demo on stderr: progress, the decisions day by day, and events."""

from __future__ import annotations

import sys
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from abkit.terminal import unguarded

if TYPE_CHECKING:
    from abkit.demo.story import DayPlayed

_STYLES = {
    "stable": "green",
    "insufficient_data": "bright_black",
    "watch": "yellow",
    "retrain": "bold red",
    "fix_data": "magenta",
}
_MARKS = {"stable": "■", "insufficient_data": "·", "watch": "▲", "retrain": "✖", "fix_data": "!"}
_HEIGHTS = "▁▂▃▄▅▆▇█"
_NARROW = 20  # columns beside the strip of days


class DemoScreen:
    """Shows a demo: as a live panel on a terminal, as plain lines elsewhere."""

    def __init__(self, days: int) -> None:
        self.console = Console(file=unguarded(sys.stderr))
        self.live: Live | None = None
        self.days = days
        self.played: list[DayPlayed] = []
        self.events: deque[Text] = deque(maxlen=9)
        columns = (TextColumn("{task.description:<16}"), BarColumn(32), MofNCompleteColumn(), TimeElapsedColumn())
        self.bars = Progress(*columns, console=self.console)
        self.tasks: dict[str, int] = {}

    def __enter__(self) -> DemoScreen:
        if sys.stderr.isatty():
            self.live = Live(self.panel(), console=self.console, refresh_per_second=8)
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self.live.update(self.panel(), refresh=True)
            self.live.stop()

    def progress(self, what: str, done: int, total: int) -> None:
        """Show how much of one stage is done."""
        if what not in self.tasks:
            self.tasks[what] = self.bars.add_task(what, total=total)
            if not self.live:
                self.console.print(f"{what}: {total}", highlight=False)
        self.bars.update(self.tasks[what], completed=done)  # type: ignore[arg-type]
        self._show()

    def day(self, played: DayPlayed) -> None:
        """Show one more day."""
        self.played.append(played)
        self._show()

    def said(self, when: str, what: str, style: str = "") -> None:
        """Show an event in one line."""
        line = Text(f"{when:<12}{what}", style=style)
        self.events.append(line)
        if self.live:
            self._show()
        else:
            self.console.print(line, soft_wrap=True)

    def _show(self) -> None:
        if self.live:
            self.live.update(self.panel())

    def panel(self) -> RenderableType:
        """Return the panel in its present state."""
        parts: list[RenderableType] = [self.bars]
        if self.played:
            parts += [Text(), self._strip()]
        if self.events:
            parts += [Text(), *self.events]
        return Panel(
            Group(*parts),
            title="abkit demo",
            subtitle="a simulated world: the clicks are simulated, the computations are real",
            title_align="left",
            subtitle_align="left",
            border_style="bright_black",
            padding=(1, 2),
        )

    def _strip(self) -> RenderableType:
        # On a narrow terminal every second, third, … day is shown.
        step = -(-self.days // max(20, self.console.width - _NARROW))
        shown = self.played[::step]
        weeks, decisions, relation = Text(), Text(), Text()
        for played in shown:
            weeks.append("│" if played.index % 7 < step else " ", style="bright_black")
            decisions.append(_MARKS.get(played.decision, " "), style=_STYLES.get(played.decision, ""))
            relation.append(_height(played.srcc), style="cyan")
        table = Table.grid(padding=(0, 2))
        table.add_row(Text("weeks", style="bright_black"), weeks)
        table.add_row("decision", decisions)
        table.add_row("SRCC", relation)
        last = self.played[-1]
        return Group(table, Text(), _sentence(last))


def _height(value: float | None) -> str:
    if value is None:
        return " "
    return _HEIGHTS[min(7, max(0, int(value * 8)))]


def _sentence(played: DayPlayed) -> Text:
    words = Text(f"{played.day:%d %b %Y}  ")
    words.append(played.decision.replace("_", " ") or "not checked yet", style=_STYLES.get(played.decision, ""))
    if played.cause:
        words.append(f", cause {played.cause.replace('_', ' ')}")
    if played.srcc is not None and played.srcc_low is not None and played.srcc_high is not None:
        words.append(
            f"   score and CTR, last 7 days: SRCC {played.srcc:.2f} "
            f"({played.srcc_low:.2f} to {played.srcc_high:.2f}), n = {played.n}"
        )
    return words
