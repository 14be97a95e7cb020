"""What becomes of an export of each platform: `python benchmarks/platform_exports.py` prints the table of the docs.

Imports the synthetic exports of `tests/platform_exports.py`, each into an empty store, and compares rows, totals and
days with what they were made of. `--write` puts both tables into `docs/kpi-files.md` and `docs/platforms.md`.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from sqlalchemy import func, select

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from abkit.intake.kpis.header.fields import parse_mapping  # noqa: E402
from abkit.intake.kpis.header.platforms import load_recipes  # noqa: E402
from abkit.intake.kpis.reading import KpiOptions  # noqa: E402
from abkit.store.database import migrate  # noqa: E402
from abkit.store.database.engine import Store  # noqa: E402
from abkit.store.schema import Kpi  # noqa: E402
from abkit.workflows.kpis.import_kpis import import_files  # noqa: E402
from tests.platform_exports import DAYS, EXPORTS, Export  # noqa: E402

BEGIN, END = "<!-- made by benchmarks/platform_exports.py -->", "<!-- end -->"
LANGUAGES = ("en", "de", "fr", "es", "pt", "it", "nl", "pl", "ja", "ko", "zh")
NEEDED = ("day", "ad", "impressions", "clicks", "spend")


def result(export: Export, folder: Path) -> tuple[str, ...]:
    """Import one export; return the cells of its line."""
    path = folder / "export.csv"
    path.write_text(export.content(), encoding="utf-8-sig")
    store = Store(f"sqlite:///{folder / 'abkit.db'}")
    migrate.upgrade(store)
    summary = import_files(store, [path], KpiOptions(mapping=parse_mapping(export.needs_map)))[0]
    with store.read() as session:
        sums = {name: session.scalar(select(func.sum(getattr(Kpi, name)))) or 0 for name in export.totals()}
        days = session.scalar(select(func.count(func.distinct(Kpi.period_start))))
    store.close()
    right = all(abs(sums[name] - total) < 0.005 for name, total in export.totals().items()) and days == len(DAYS)
    maps = ", ".join(f"`{option}`" for option in export.needs_map) or "–"
    rows = f"{summary.imported} of {summary.rows}"
    return export.title, export.language, export.platform or "–", rows, "yes" if right else "no", maps


def results() -> list[str]:
    """Return the lines of the table of results."""
    lines = ["| platform | language | recognized as | rows | totals and days right | `--map` needed |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for export in EXPORTS:
        with tempfile.TemporaryDirectory() as folder:
            lines.append(f"| {' | '.join(result(export, Path(folder)))} |")
    return lines


def sources() -> list[str]:
    """Return the lines of the table of platforms by language: which needed fields have a sourced name."""
    alike = {"period_start": "day", "ad_name": "ad", "creative": "ad"}
    lines = [f"| platform | {' | '.join(LANGUAGES)} |", f"| --- |{' --- |' * len(LANGUAGES)}"]
    for recipe in sorted((one for one in load_recipes() if one.platform), key=lambda one: one.title.casefold()):
        cells = []
        for language in LANGUAGES:
            blocks = [block for block in recipe.headers if block.language == language]
            named = {alike.get(key, key) for block in blocks for key in block.names}
            lacking = [field for field in NEEDED if field not in named and not (language == "en" and field == "day")]
            cells.append("missing" if not named else f"without {', '.join(lacking)}" if lacking else "sourced")
        lines.append(f"| {recipe.title} | {' | '.join(cells)} |")
    return lines


def put(path: Path, lines: list[str]) -> str:
    """Return the text of a page with the lines between its two marks."""
    text = path.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END, 1)[1]
    return before + BEGIN + "\n" + "\n".join(lines) + "\n" + END + after


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into the docs")
    made = results()
    if parser.parse_args().write:
        for page, lines in (("kpi-files.md", made), ("platforms.md", sources())):
            path = ROOT / "docs" / page
            path.write_text(put(path, lines), encoding="utf-8")
    else:
        print("\n".join([*made, "", *sources()]))


if __name__ == "__main__":
    main()
