"""What the fuzzing begins with, changes and reads: files of every kind that comes from outside."""

# ruff: noqa: E501

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import zipfile
from collections.abc import Callable, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

HEADERS = {
    "kpis": ("day,ad id,ad name,campaign,impressions,clicks,conversions,spend,currency", 9),
    "ratings": ("image,rater,rating", 3),
    "experiments": ("experiment,variant,trials,successes", 4),
    "plans": ("date,variant", 2),
    "links": ("ad,creative", 2),
}
#: By kind of table, the kind of input that needs it.
TABLES_OF = {"kpis": "kpis", "ratings": "ratings", "experiments": "experiments", "plans": "plans", "links": "mappings"}
CELLS = (
    "2026-09-01", "01/02/2026", "31.12.2025", "a", "b.png", "", " ", "0", "1", "5", "100", "1,234", "1.234,5", "12 %", "$5",
    "€ 1.234", "-1", "1e308", "9" * 30, "nan", "inf", '"', '""', "'", "=1+1", '="007"', "\0", "\x1b[2J", "\u202e", "é", "日",
    "Total", "total:", "x" * 5000, ";", "\t", "\r", "\ufeff", "٣", "1_000", "0x10", "true", "None", "--", "2026-02-30",
    "46000", "12:00", "2026-09-01T00:00:00Z", "1/2", "½", "1e5", "EUR", "A", "B",
)  # fmt: skip


# --- whole files to begin with --------------------------------------------------------------------------------------


def _rows(kind: str) -> list[list[str]]:
    header, _ = HEADERS[kind]
    body = {
        "kpis": [[f"2026-09-0{n}", f"ad{n}", f"Ad {n}", "spring", str(900 * n), str(n), "0", "1.5", "EUR"] for n in range(1, 8)],
        "ratings": [[f"{n}.png", f"r{m}", str(1 + (n + m) % 5)] for n in range(6) for m in range(3)],
        "experiments": [["one", "A", "1000", "50"], ["one", "B", "1000", "60"], ["two", "A", "500", "5"], ["two", "B", "500", "9"]],
        "plans": [[f"2026-03-{n:02}", "AB"[n % 2]] for n in range(1, 20)],
        "links": [[f"ad{n}", f"{n}.png"] for n in range(5)],
    }[kind]  # fmt: skip
    return [header.split(","), *body]


_SEEDS: dict[str, list[tuple[str, bytes]]] = {}


def tables(kind: str) -> list[tuple[str, bytes]]:
    """Return the same table in every format: name and bytes."""
    return _SEEDS[kind]


def in_json(found: dict[str, list[tuple[str, bytes]]]) -> str:
    """Return tables by kind as text."""
    return json.dumps({kind: [(name, data.hex()) for name, data in made] for kind, made in found.items()})


def keep_tables(text: str) -> None:
    """Have `tables` return these."""
    made = json.loads(text)
    _SEEDS.update({kind: [(name, bytes.fromhex(data)) for name, data in found] for kind, found in made.items()})


def make_tables(kind: str) -> list[tuple[str, bytes]]:
    """Make the table of a kind in every format, and tables that hypothesis draws."""
    return [*_tables(kind), *_drawn(kind)]


def _tables(kind: str) -> list[tuple[str, bytes]]:
    import gzip

    import polars as pl
    import xlsxwriter

    rows = _rows(kind)
    text = "\n".join(",".join(row) for row in rows) + "\n"
    semicolons = text.replace(",", ";").replace("\n", "\r\n")
    book = io.BytesIO()
    with xlsxwriter.Workbook(book, {"in_memory": True}) as workbook:
        sheet = workbook.add_worksheet("Report")
        for number, row in enumerate(rows):
            for column, cell in enumerate(row):
                sheet.write(number, column, float(cell) if cell.replace(".", "", 1).isdigit() else cell)
        sheet.write_formula(len(rows), 0, "=1/0", None, "#DIV/0!")
    frame = pl.DataFrame({name: [row[n] for row in rows[1:]] for n, name in enumerate(rows[0])})
    packed, parquet = io.BytesIO(), io.BytesIO()
    frame.write_parquet(parquet)
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("export.csv", text)
    ods = io.BytesIO()
    cells = "".join(
        "<table:table-row>" + "".join(f"<table:table-cell office:value-type='string'><text:p>{c}</text:p></table:table-cell>" for c in row) + "</table:table-row>"
        for row in rows
    )  # fmt: skip
    content = f"<?xml version='1.0'?><office:document-content xmlns:office='urn:oasis:names:tc:opendocument:xmlns:office:1.0' xmlns:table='urn:oasis:names:tc:opendocument:xmlns:table:1.0' xmlns:text='urn:oasis:names:tc:opendocument:xmlns:text:1.0'><office:body><office:spreadsheet><table:table table:name='S'>{cells}</table:table></office:spreadsheet></office:body></office:document-content>"
    with zipfile.ZipFile(ods, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", content)
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
    return [
        ("a.csv", text.encode()),
        ("b.csv", semicolons.encode("utf-16")),
        ("c.tsv", text.replace(",", "\t").encode("latin-1")),
        ("d.csv.gz", gzip.compress(text.encode())),
        ("e.zip", packed.getvalue()),
        ("f.xlsx", book.getvalue()),
        ("g.ods", ods.getvalue()),
        ("h.parquet", parquet.getvalue()),
    ]


@cache
def images() -> list[tuple[str, bytes]]:
    """Return an image in every format that is read without an extra."""
    import numpy as np
    from PIL import Image, ImageCms

    pixels = np.random.default_rng(0).integers(0, 255, (48, 64, 4), dtype=np.uint8)
    rgba = Image.fromarray(pixels, "RGBA")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112] = 6
    rgb, gray, deep = rgba.convert("RGB"), rgba.convert("L"), Image.fromarray(pixels[..., 0].astype(np.uint16) * 200)
    frames = [rgb, gray.convert("RGB")]
    made: list[tuple[str, Any, str, dict[str, Any]]] = [
        ("a.jpg", rgb, "JPEG", {"icc_profile": profile, "exif": exif}),
        ("b.jpg", rgb, "JPEG", {"progressive": True}),
        ("c.png", rgba, "PNG", {"icc_profile": profile}),
        ("d.png", deep, "PNG", {}),
        ("e.gif", rgb, "GIF", {"save_all": True, "append_images": frames}),
        ("f.webp", rgba, "WEBP", {"exif": exif}),
        ("g.webp", rgb, "WEBP", {"save_all": True, "append_images": frames}),
        ("h.bmp", rgb, "BMP", {}),
        ("i.tif", rgb, "TIFF", {"compression": "tiff_lzw"}),
        ("j.tif", rgb.convert("CMYK"), "TIFF", {"compression": "jpeg"}),
        ("k.jpg", rgb, "MPO", {"save_all": True, "append_images": [rgb]}),
        ("l.avif", rgb, "AVIF", {}),
    ]
    found = []
    for name, image, kind, options in made:
        buffer = io.BytesIO()
        try:
            image.save(buffer, kind, **options)
        except (KeyError, OSError):  # this build of Pillow lacks the format
            continue
        found.append((name, buffer.getvalue()))
    return found


CONFIGURATION = """
[scoring]
batch_size = 32
max_file_mb = 100.5
[kpi]
max_rows = 1000
time_zone = "Europe/Berlin"
[drift]
false_alarms = "1 per year"
alpha = 0.01
reference = "creatives:20"
[[alerts.channel]]
name = "team"
url_env = "TEAM_URL"
[[schedule]]
key = "daily"
job = "drift"
cron = "0 6 * * *"
arguments = { a = 1 }
[[source]]
key = "s"
url = "https://example.com/{today}.csv"
mapping = { Klicks = "clicks" }
"""
RECIPE = """
platform = "shopnet"
title = "Shopnet"
[sources]
help = "https://example.com"
[[headers]]
language = "en"
source = "help"
day = ["Date"]
ad = ["Ad number"]
impressions = ["Views"]
clicks = ["Taps"]
[headers.events]
"Orders" = "order"
"""

# --- mutations ------------------------------------------------------------------------------------------------------


def mutated(draw: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Return a file with one to eight changes."""
    changed = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 3, 8))):
        length = len(changed)
        place = draw.randrange(length + 1)
        span = min(draw.choice((1, 2, 4, 16, 256)), length - place)
        match draw.randrange(9):
            case 0 if length:
                changed[min(place, length - 1)] ^= 1 << draw.randrange(8)
            case 1:
                changed[place : place + span] = draw.randbytes(span)
            case 2:
                del changed[place : place + span]
            case 3:
                changed[place:place] = changed[place : place + span] * draw.choice((1, 2, 100, 1000))
            case 4:
                del changed[place:]
            case 5:
                other = draw.choice(others)
                start = draw.randrange(len(other) + 1)
                changed[place : place + span] = other[start : start + draw.choice((8, 64, 4096))]
            case 6:
                changed[place : place + 4] = draw.choice((b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\x80"))
            case 7:
                changed[place:place] = draw.choice(CELLS).encode()
            case 8:
                digits = [at for at in range(length) if 48 <= changed[at] <= 57]
                if digits:
                    at = draw.choice(digits)
                    changed[at : at + 1] = draw.choice((b"9" * 20, b"-1", b"0", b"1e999", b"2147483648", b"."))
    return bytes(changed[: 4 << 20])


def inside(draw: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Return an archive with one member mutated, packed as archives are: its checksums fit."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        names = source.namelist()
        chosen = draw.choice(names)
        for name in names:
            content = source.read(name)
            target.writestr(name, mutated(draw, content, others) if name == chosen else content)
    return packed.getvalue()


def table_file(draw: random.Random, kind: str, folder: Path) -> Path:
    """Write a table of a kind: mutated, mutated inside its packing, or of hostile cells."""
    whole = [one for one in tables(kind) if not one[0].startswith("z")]
    name, data = draw.choice(whole)
    others = [content for _, content in whole]
    drawn = [one for one in tables(kind) if one[0].startswith("z")]
    if drawn and draw.random() < 0.3:
        name, data = draw.choice(drawn)
    elif name.endswith((".zip", ".xlsx", ".ods")) and draw.random() < 0.7:
        data = inside(draw, data, others)
    elif name.endswith(".gz") and draw.random() < 0.7:
        import gzip

        data = gzip.compress(mutated(draw, gzip.decompress(data), others))
    else:
        data = mutated(draw, data, others)
    path = folder / name
    path.write_bytes(data)
    return path


def _drawn(kind: str, count: int = 150) -> list[tuple[str, bytes]]:
    """Return tables of text that hypothesis drew."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import strategies as st

    header, width = HEADERS[kind]
    cell = st.one_of(st.sampled_from(CELLS), st.text(max_size=8), st.integers().map(str), st.floats().map(str))
    row = st.lists(cell, min_size=max(1, width - 1), max_size=width + 1)
    found: list[tuple[str, bytes]] = []

    @settings(max_examples=count, database=None, derandomize=True, deadline=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(
        st.lists(row, max_size=12),
        st.sampled_from(",;\t|"),
        st.sampled_from(("\n", "\r\n", "\r")),
        st.sampled_from(("utf-8", "utf-16", "latin-1")),
    )
    def draw(rows: list[list[str]], delimiter: str, end: str, encoding: str) -> None:
        lines = [header.replace(",", delimiter), *(delimiter.join(row) for row in rows)]
        found.append((f"z{len(found)}.csv", end.join(lines).encode(encoding, "replace")))

    draw()
    return found


# --- readers: each writes one input into a folder, reads it, and returns what came of it -----------------------------


def read_kpis(draw: random.Random, folder: Path) -> None:
    from abkit.intake.kpis.reading import KpiOptions, header_of, other_cells, read_table
    from abkit.intake.kpis.rows.checks import check

    path = table_file(draw, "kpis", folder)
    options = KpiOptions(dayfirst=draw.choice((None, True)), decimal=draw.choice((None, ".")))
    header_of(path, options)
    table = read_table(path, options)
    check(table, options, lambda _: {}, date(2026, 10, 1))
    list(other_cells(table, [2, 3]))


def read_ratings(draw: random.Random, folder: Path) -> None:
    from abkit.intake.tables.ratings import read_labels
    from abkit_model.data import labels

    path = table_file(draw, "ratings", folder)
    labels.read_ratings(path) if draw.random() < 0.5 else read_labels(path)


def read_experiments(draw: random.Random, folder: Path) -> None:
    from abkit.intake.tables.experiments import read_arms, read_experiments
    from abkit.intake.tables.samples import read_numbers
    from abkit.intake.tables.unit_rows import UnitColumns, unit_rows

    path = table_file(draw, "experiments", folder)
    match draw.randrange(4):
        case 0:
            read_arms(path)
        case 1:
            read_numbers(path, "trials")
        case 2:
            with unit_rows(path, UnitColumns(unit="experiment", variant="variant", metric="successes")) as rows:
                rows.cells.collect()
        case _:
            names = {name: name for name in ("experiment", "variant", "trials", "successes")}
            read_experiments(path, **names)


def read_plans(draw: random.Random, folder: Path) -> None:
    from abkit.intake.tables.plans import read_schedule

    read_schedule(table_file(draw, "plans", folder))


def read_images(draw: random.Random, folder: Path) -> None:
    from abkit.intake.media.images import read_content

    name, data = draw.choice(images())
    path = folder / name
    path.write_bytes(mutated(draw, data, [content for _, content in images()]))
    read_content(path, max_bytes=2**24)


def read_checkpoints(draw: random.Random, folder: Path) -> None:
    from abkit_model import checkpoint

    card, weights = (checkpoint.default_checkpoint() / name for name in (checkpoint.CARD_FILE, checkpoint.WEIGHTS_FILE))
    here = folder / "model"
    here.mkdir()
    facts, data = json.loads(card.read_text()), weights.read_bytes()
    match draw.randrange(3):
        case 0:
            (here / card.name).write_bytes(mutated(draw, card.read_bytes(), [b"[{", b"null", b'"' * 9]))
            (here / weights.name).symlink_to(weights)
        case 1:
            _change(draw, facts)
            _seal(facts, data)
            (here / card.name).write_text(json.dumps(facts))
            (here / weights.name).symlink_to(weights)
        case _:
            data = mutated(draw, data[: 1 << 14], [data[:512]]) + data[1 << 14 :]
            _seal(facts, data)
            (here / card.name).write_text(json.dumps(facts))
            (here / weights.name).write_bytes(data)
    checkpoint.load(here)


def _change(draw: random.Random, facts: dict[str, Any]) -> None:
    """Put something else in place of a value of a card, wherever it is."""
    value: Any = facts
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = draw.choice(keys)
        inner = value[key]
        if not (isinstance(inner, dict | list) and inner) or draw.random() < 0.2:
            value[key] = draw.choice((2**31, -1, 0, None, "x", [], {}, True, 1e308, 10**400, "\x1b[2J", [[1]], 2**63))
            return
        value = inner


def _seal(facts: dict[str, Any], data: bytes) -> None:
    from abkit_model import checkpoint

    facts["weights_sha256"] = hashlib.sha256(data).hexdigest()
    facts["digest"] = checkpoint._digest(facts)


def read_configuration(draw: random.Random, folder: Path) -> None:
    from abkit.config import load_settings

    path = folder / "abkit.toml"
    path.write_bytes(mutated(draw, CONFIGURATION.encode(), [RECIPE.encode(), b"[[[[", b"a.b.c = 1"]))
    load_settings(path)


def read_mappings(draw: random.Random, folder: Path) -> None:
    from abkit.intake.kpis.header.platforms import load_recipes
    from abkit.workflows.kpis.linking.link import read_links

    if draw.random() < 0.5:
        path = folder / "recipe.toml"
        path.write_bytes(mutated(draw, RECIPE.encode(), [CONFIGURATION.encode()]))
        load_recipes(path)
    else:
        read_links(table_file(draw, "links", folder))


def read_folders(draw: random.Random, folder: Path) -> None:
    from abkit.intake.media.images import find_images

    known = [folder]
    for number in range(draw.randrange(40)):
        place = draw.choice(known) / draw.choice(
            (f"d{number}", "a[b]", "x\udcff", "n\nn", ".h", "*", "é", f"{number}.png")
        )
        if os.path.lexists(place):
            continue
        try:
            match draw.randrange(4):
                case 0:
                    place.symlink_to(draw.choice(known), target_is_directory=True)
                case 1:
                    os.mkfifo(place)
                case 2:
                    place.write_bytes(b"x")
                case _:
                    place.mkdir()
                    known.append(place)
        except OSError:
            continue
    find_images([draw.choice((folder, folder / "**" / "*.png", folder / "*" / "*", folder / "[", draw.choice(known)))])


READERS: dict[str, Callable[[random.Random, Path], None]] = {
    "kpis": read_kpis,
    "ratings": read_ratings,
    "experiments": read_experiments,
    "plans": read_plans,
    "images": read_images,
    "checkpoints": read_checkpoints,
    "configuration": read_configuration,
    "mappings": read_mappings,
    "folders": read_folders,
}
