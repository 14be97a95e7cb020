"""Passwords are tried one at a time, in a fair order: a flood of wrong ones waits behind everybody else."""

from __future__ import annotations

import asyncio
import time
from bisect import insort
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

from starlette.exceptions import HTTPException

#: How long a wrong password counts against its address, and how many addresses are remembered.
REMEMBERED_SECONDS = 3600.0
_ADDRESSES = 10_000


class Failures:
    """How many wrong passwords have come from each address lately.

    >>> failures = Failures()
    >>> failures.note("address 192.0.2.1", now=0.0)
    >>> failures.of("address 192.0.2.1", now=1.0), failures.of("address 192.0.2.1", now=4000.0)
    (1, 0)
    """

    def __init__(self) -> None:
        self._by_address: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def note(self, address: str, *, now: float | None = None) -> None:
        """Count a wrong password; the addresses that failed longest ago are forgotten where there are too many."""
        now = time.monotonic() if now is None else now
        self._by_address[address] = (self.of(address, now=now) + 1, now)
        self._by_address.move_to_end(address)
        while len(self._by_address) > _ADDRESSES:
            self._by_address.popitem(last=False)

    def of(self, address: str, *, now: float | None = None) -> int:
        """Return the wrong passwords of an address; none where the last came an hour ago."""
        number, last = self._by_address.get(address, (0, 0.0))
        return number if (time.monotonic() if now is None else now) - last < REMEMBERED_SECONDS else 0


class Lane:
    """Let one in at a time: the one who has failed least first, then in the order in which they came.

    Where all places are taken, a newcomer takes the place of the one who has failed most. One who gets no place, or
    loses it, is told to come again (503). So somebody whose address has sent no wrong password waits only behind others
    like that, however many wrong passwords come. To wait takes no thread; all must wait in one event loop.

    Args:
        places: How many may wait.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._busy = False
        self._order = count()
        self._waiting: list[tuple[int, int, asyncio.Future[bool]]] = []

    @property
    def waiting(self) -> list[int]:
        """How often each of those who wait has failed, the next one first."""
        return [failures for failures, _, _ in self._waiting]

    @asynccontextmanager
    async def turn(self, failures: int) -> AsyncIterator[None]:
        """Wait for a turn, and have it for as long as the block takes.

        Args:
            failures: How often this address has failed; -1 for those who may go before all others.

        Raises:
            HTTPException: There is no place left (503).
        """
        await self._wait(failures)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, failures: int) -> None:
        if not self._busy:
            self._busy = True
            return
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        insort(self._waiting, (failures, next(self._order), turn))
        if len(self._waiting) > self._places:
            self._waiting.pop()[2].set_result(False)
        try:
            has_turn = await turn
        except asyncio.CancelledError:
            self._waiting = [one for one in self._waiting if one[2] is not turn]
            if turn.done() and not turn.cancelled() and turn.result():
                self._pass_on()
            raise
        if not has_turn:
            raise HTTPException(503, "many ask for this at once: try again in some seconds", {"Retry-After": "3"})

    def _pass_on(self) -> None:
        while self._waiting:
            turn = self._waiting.pop(0)[2]
            if not turn.done():
                turn.set_result(True)
                return
        self._busy = False
