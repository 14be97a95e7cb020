"""A wall clock that can be moved under real processes. It takes a C compiler."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path


class MovedClock:
    """The wall clock of the daemons that are started with its environment."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "offset"
        library = folder / "clock_shim.so"
        source = Path(__file__).parent / "clock_shim.c"
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True, capture_output=True)
        self.set(0)
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_OFFSET_FILE": str(self._file)}

    def set(self, seconds: int) -> None:
        """Move it by so many seconds from the real one."""
        new = self._file.with_suffix(".new")
        new.write_text(str(seconds))
        new.rename(self._file)
        self.offset = seconds

    def now(self) -> datetime:
        """What the daemons believe."""
        return datetime.now(UTC) + timedelta(seconds=self.offset)
