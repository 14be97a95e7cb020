"""The front door of a checkout: `python cli.py …` is `abkit …`."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent / folder) for folder in ("", "model")]

from abkit.commands.app import main  # noqa: E402

if __name__ == "__main__":
    main()
