"""Which column of a rating table says what: as the user said, by usual names, or asked once with the best guess."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence

from abkit_model.data.csv_table import CsvTable
from abkit_model.errors import LabelError

IMAGE_COLUMNS = ("file", "image", "filename", "image_file", "path", "name", "item")
RATER_COLUMNS = ("rater", "rater_id", "user", "worker", "participant", "subject_id")
SCORE_COLUMNS = ("score", "rating", "vote", "beauty", "opinion")
TIME_COLUMNS = ("time", "timestamp", "rated_at", "voted_at", "date")
MEAN_COLUMNS = ("mean", "mean_score", "mos", "score_mean", "rating_mean", "beauty_mean")
SD_COLUMNS = ("sd", "std", "score_sd", "rating_sd", "beauty_sd")
COUNT_COLUMNS = ("n", "count", "votes", "n_ratings", "n_votes")
#: Usual names of the columns, by field.
FIELDS: Mapping[str, tuple[str, ...]] = {
    "image": IMAGE_COLUMNS,
    "rater": RATER_COLUMNS,
    "score": SCORE_COLUMNS,
    "mean": MEAN_COLUMNS,
    "n": COUNT_COLUMNS,
    "sd": SD_COLUMNS,
    "time": TIME_COLUMNS,
}

#: Parts of names that suggest a field; nothing is read by them unless the user says so.
_SUGGEST = {
    "image": r"file|image|picture|photo|creative|datei|bild|fichier|archivo|\bad\b",
    "rater": r"rater|user|worker|judge|voter|person|annotator|panel|respond|juror|who|mail",
    "score": r"star|scor|rating|grade|mark|point|like|mean|average|avg|mos|punkt|bewert|note|nota|wert",
    "n": r"count|votes|ratings|raters|number|num|anzahl|nombre|total|^n$|^n_",
    "sd": r"std|sd\b|dev|streu",
}
#: Parts of names of columns that are no ratings, whatever their figures.
_NO_RATING = (
    r"\bid|_id|index|\b(row|line|age|view|time)|width|height|size|bytes|year|date|click|impression|conver|spend|cost"
)
_IMAGE_NAME = re.compile(r"\.(jpe?g|jfif|png|webp|gif|avif|hei[cf]|bmp|tiff?)$", re.IGNORECASE)
#: Highest ratings that are guessed where none of the scales that are recognized fits.
_HIGHEST = (5, 7, 10, 100)


def find_columns(table: CsvTable, said: Mapping[str, str]) -> dict[str, str | None]:
    """Return the column of each field, by what the user said or by its usual names.

    Raises:
        LabelError: A column that the user named is not there, or is there twice; or two columns could be the ratings.
    """
    if not {"score", "mean"} & set(said):
        for field in ("score", "mean"):
            _require_one(table, field)
    return {
        field: table.column(said[field], (), field) if field in said else table.find(usual)
        for field, usual in FIELDS.items()
    }


def _require_one(table: CsvTable, field: str) -> None:
    """Refuse two columns of figures that differ, where the name of each says that it has the ratings."""
    named = [name for name in table.columns if name.lower() in FIELDS[field]]
    cells = {name: [(row.get(name) or "").strip() for _, row in table.rows] for name in named}
    figures = {name: own for name, own in cells.items() if _are_figures(own)}
    if len({name.lower() for name in figures}) > 1 and len({tuple(own) for own in figures.values()}) > 1:
        both = " and ".join(map(repr, figures))
        raise LabelError(
            f"{table.path}: columns {both} could both be the ratings",
            f"say which one has them, such as --map {_quoted(f'{next(iter(figures))}={field}')}",
        )


def _are_figures(cells: Sequence[str]) -> bool:
    """Return whether most cells that are filled begin with a digit: `5`, `4,5` and `4/5` do, "top 3 ad" does not."""
    filled = [cell for cell in cells if cell]
    return 2 * sum(cell[0].isdigit() for cell in filled) > len(filled)


def question(table: CsvTable, found: Mapping[str, str | None], *, scaled: bool, command: str) -> LabelError:
    """Return the refusal of a table whose columns do not say enough, with the whole command and the best guess.

    Args:
        table: The table.
        found: The column of each field, as far as it is known.
        scaled: Whether the scale is known.
        command: How the command that reads it begins.
    """
    numbered = sum(bool(re.fullmatch(r"n\d{1,3}", name, re.IGNORECASE)) for name in table.columns) > 1
    guess = _Guess(table, found)
    maps = guess.image() if numbered else guess.ratings()
    if maps is None:
        image = "" if found["image"] else " --map 'COLUMN=image'"
        return LabelError(
            f"{table.path} has none of the known layouts; its columns are: {', '.join(table.columns)}",
            f"say which column names the image and which has the ratings: {command}{image} --map 'COLUMN=mean'",
        )
    options = [f"--map {_quoted(f'{column}={field}')}" for field, column in maps.items()]
    if not numbered and not scaled and (scale := guess.scale(maps)):
        options.append(f"--scale {scale}")
    unknown = [name for name in table.columns if name not in (*maps.values(), *filter(None, found.values()))]
    leaves = f", which leaves out {', '.join(unknown[:30])}" if unknown and not numbered else ""
    return LabelError(
        f"{table.path} has none of the known layouts; its columns are: {', '.join(table.columns)}",
        f"with the best guess{leaves}: {command} {' '.join(options)}",
    )


def _quoted(text: str) -> str:
    return shlex.quote(text) if "'" in text else f"'{text}'"


class _Guess:
    """Guesses fields by names and cells."""

    def __init__(self, table: CsvTable, found: Mapping[str, str | None]) -> None:
        self.table, self.found = table, found
        once = [name for name in table.columns if table.columns.count(name) == 1]
        self.cells = {name: [(row.get(name) or "").strip() for _, row in table.rows] for name in once}
        self.figures = {name: figures for name in once if (figures := self._numbers(name))}

    def image(self) -> dict[str, str] | None:
        """Return the column with the image's name: by its cells, then by its own name."""
        if self.found["image"]:
            return {}
        named = [name for name, cells in self.cells.items() if _share(bool(_IMAGE_NAME.search(c)) for c in cells) > 0.5]
        named += self._suggested("image", [name for name in self.cells if name not in self.figures])
        return {"image": named[0]} if named else None

    def ratings(self) -> dict[str, str] | None:
        """Return columns by field with which the table can be read; None where no column can be the ratings."""
        maps = self.image()
        if maps is None:
            return None
        image = self.found["image"] or maps["image"]
        free = [name for name in self.figures if name != image and not re.search(_NO_RATING, name.lower())]
        counted = [name for name in self.figures if name == self.found["n"]] or self._suggested("n", free, whole=True)
        spread = [name for name in free if name == self.found["sd"]] or self._suggested("sd", free)
        known = [name for name in (self.found["score"], self.found["mean"]) if name in self.figures]
        rest = [name for name in free if name not in (*counted, *spread)]
        rated = known + self._suggested("score", rest) + rest or counted
        if not rated:
            return None
        score = rated[0]
        if len(set(self.cells[image])) > 0.9 * len(self.table.rows):
            maps["mean"] = score
            maps |= {f: one[0] for f, one in (("n", counted), ("sd", spread)) if one and one[0] != score}
        else:
            maps["score"] = score
            if rater := self._rater(image, score):
                maps["rater"] = rater
        return maps

    def scale(self, maps: Mapping[str, str]) -> str:
        """Return a scale for the ratings, where it is none of those that are recognised; '' where it is."""
        ratings = self.figures[maps.get("mean") or maps["score"]]
        low, high = min(ratings), max(ratings)
        top = next((one for one in _HIGHEST if high <= one), None)
        top = -int(-high // 1) if top is None else top
        if low < 1:
            return f"{min(0, int(low // 1))}..{top}"
        smaller = [one for one in (5, 7) if one < top]
        slips = any(sum(value > one for value in ratings) < 0.01 * len(ratings) for one in smaller)
        return f"1..{top}" if top > 10 or slips else ""

    def _rater(self, image: str, score: str) -> str:
        """Return the column of who rated: known or suggested, and no rater twice on an image."""
        texts = [name for name in self.cells if name not in (image, score)]
        usual = [self.found["rater"]] if self.found["rater"] else []
        for name in (*usual, *self._suggested("rater", texts)):
            pairs = list(zip(self.cells[image], self.cells[name], strict=True))
            if len(set(self.cells[name])) > 1 and len(set(pairs)) > 0.9 * len(pairs):
                return name
        return ""

    def _suggested(self, field: str, names: Sequence[str], *, whole: bool = False) -> list[str]:
        fit = (n for n in names if not whole or all(v >= 1 and v == int(v) for v in self.figures[n]))
        return [name for name in fit if re.search(_SUGGEST[field], name.lower())]

    def _numbers(self, name: str) -> list[float]:
        """Return the figures of a column; none where most of its cells are something else, or all are the same."""
        try:
            read = self.table.numbers(name, low=-100, high=100)
        except LabelError:
            return []
        said = [cell for cell in self.cells[name] if cell]
        figures = [value for cell in said if (value := read(cell)) is not None]
        return figures if len(figures) > 0.5 * len(said) else []


def _share(flags: Iterable[bool]) -> float:
    every = list(flags)
    return sum(every) / len(every) if every else 0.0
