"""What `--brief-encoder classes:efficientnet-lite2` can tell: photographs ranked by the names of their subjects.

    python benchmarks/brief_classes.py $ABKIT_TESTDATA/oasis_beauty

The protocol, written before the figures: every subject of OASIS with at least two photographs is a brief, by its name
as it stands in the table and nothing else. All photographs are ranked by their fit; the figure is the average precision
of those of the subject, averaged over subjects, by the category of the subject (animal, object, scenery, person),
over all, and over all but people, whom no class names. Beside it, what a random order gives. 95 % intervals resample
subjects.
"""

import argparse
import csv
from pathlib import Path

import numpy as np

from abkit_model.encoders.load import load_encoder
from abkit_model.images import open_image

NO_PEOPLE = "objects, animals and scenes"


def average_precision(fit, wanted):
    hits = wanted[np.argsort(-fit)]
    return float((hits.cumsum() / np.arange(1, len(hits) + 1))[hits].mean())


def main(folder):
    rows = list(csv.DictReader((folder / "ratings_per_image.csv").open(encoding="utf-8")))
    encoder = load_encoder("classes:efficientnet-lite2", text=True)
    places = []
    for start in range(0, len(rows), 16):
        images = [open_image(folder / "images" / row["file"]).image for row in rows[start : start + 16]]
        places.append(encoder.encode([encoder.prepare(image) for image in images]).embedding.numpy())
    seen = np.concatenate(places)
    rng = np.random.default_rng(0)
    subject = np.array([row["subject"] for row in rows])
    category = {row["subject"]: row["Category"] for row in rows}
    found, chance = {}, {}
    for name in sorted(set(subject)):
        wanted = subject == name
        if wanted.sum() >= 2:
            found[name] = average_precision(seen @ encoder.embed_text(name), wanted)
            chance[name] = np.mean([average_precision(rng.random(len(rows)), wanted) for _ in range(50)])
    for kind in (*sorted(set(category.values())), "all", NO_PEOPLE):
        of_kind = {"all": set(category.values()), NO_PEOPLE: set(category.values()) - {"Person"}}.get(kind, {kind})
        names = [name for name in found if category[name] in of_kind]
        values = np.array([found[name] for name in names])
        drawn = values[rng.integers(len(values), size=(2000, len(values)))].mean(axis=1)
        low, high = np.quantile(drawn, [0.025, 0.975])
        random = np.mean([chance[name] for name in names])
        print(f"{kind}: {values.mean():.2f} [{low:.2f}, {high:.2f}], {len(names)} subjects; at random {random:.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    main(parser.parse_args().folder)
