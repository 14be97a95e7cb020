"""Do the statistics of drift agree with Evidently's, NannyML's and alibi-detect's, where the conventions are the same?

    python benchmarks/drift_values.py --evidently ENV/bin/python --nannyml ENV/bin/python --alibi ENV/bin/python

Each peer has an environment of its own (Evidently 0.7.23 and NannyML 0.13.1 need pandas below 3; alibi-detect 0.13.0
needs torch for MMD), and any of them may be left out. All get the same windows: 800 against 600 normal values, the
current ones shifted by 0.3; 500 against 400 rows of 16 features, shifted by 0.2, divided by their pooled standard
deviations; and counts of three categories.

Compared is what is defined alike:

- KS: the statistic (NannyML, alibi-detect), and its exact p (Evidently; that of alibi-detect is asymptotic);
- Wasserstein: the distance (NannyML), and over the reference's standard deviation (Evidently);
- χ² of a table: the statistic (NannyML, alibi-detect) and p (alibi-detect; Evidently takes the reference's shares for
  known, and tests the current window alone);
- MMD²: unbiased, with a Gaussian kernel of the same width (alibi-detect).

PSI and JS are not: each tool has bins of its own. Printed are both figures and their difference as a share of the
peer's. The exit code is 1 where one is beyond 1e-6 (1e-4 for MMD, which alibi-detect computes in float32).
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from scipy.spatial.distance import pdist

from abkit.stats.monitoring.shifts.category_shift import category_shift
from abkit.stats.monitoring.shifts.distribution_shift import drift
from abkit.stats.monitoring.shifts.kernel_shift import embedding_shift

_READ = """
import json, sys, warnings
warnings.simplefilter("ignore")
import numpy as np
given = np.load(sys.argv[1])
x, y, a, b = (given[name] for name in ("x", "y", "a", "b"))
before, after = (np.repeat(["square", "tall", "wide"], given[name]) for name in ("before", "after"))
width = float(given["width"])
found = {}
"""
_PEERS = {
    "evidently": """
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.metrics import ValueDrift
def said(one, two, kind, method):
    definition = DataDefinition(**{kind: ["v"]})
    frames = [Dataset.from_pandas(pd.DataFrame({"v": v}), data_definition=definition) for v in (one, two)]
    done = Report([ValueDrift(column="v", method=method)]).run(frames[1], frames[0]).dict()
    return float(done["metrics"][0]["value"])
found["KS, p"] = said(x, y, "numerical_columns", "ks")
found["Wasserstein over sd"] = said(x, y, "numerical_columns", "wasserstein")
""",
    "nannyml": """
import nannyml
import pandas as pd
def said(one, two, kind, method):
    frames = [pd.DataFrame({"v": v}) for v in (one, two)]
    asked = nannyml.UnivariateDriftCalculator(column_names=["v"], chunk_number=1, **{f"{kind}_methods": [method]})
    asked.fit(frames[0])
    return float(asked.calculate(frames[1]).filter(period="analysis").to_df()[("v", method, "value")].iloc[0])
found["KS"] = said(x, y, "continuous", "kolmogorov_smirnov")
found["Wasserstein"] = said(x, y, "continuous", "wasserstein")
found["chi-squared"] = said(before, after, "categorical", "chi2")
""",
    "alibi": """
from alibi_detect.cd import ChiSquareDrift, KSDrift, MMDDrift
one = KSDrift(x[:, None], p_val=0.05).predict(y[:, None])["data"]
found["KS"] = float(one["distance"][0])
codes = {"square": 0, "tall": 1, "wide": 2}
old, new = (np.array([codes[v] for v in values])[:, None] for values in (before, after))
one = ChiSquareDrift(old, p_val=0.05).predict(new)["data"]
found["chi-squared"], found["chi-squared, p"] = float(one["distance"][0]), float(one["p_val"][0])
width = np.array([width], "float32")
one = MMDDrift(a.astype("float32"), backend="pytorch", sigma=width, n_permutations=1, device="cpu")
found["MMD²"] = float(one.predict(b.astype("float32"))["data"]["distance"])
""",
}
_NAMES = {"evidently": "Evidently", "nannyml": "NannyML", "alibi": "alibi-detect"}


def windows() -> dict[str, np.ndarray]:
    """Return what all are given."""
    rng = np.random.default_rng(11)
    a, b = rng.normal(size=(500, 16)), rng.normal(0.2, 1, size=(400, 16))
    scale = np.concatenate([a, b]).std(axis=0)
    return {
        "x": rng.normal(size=800), "y": rng.normal(0.3, 1, 600), "a": a / scale, "b": b / scale,
        "before": np.array([300, 150, 50]), "after": np.array([200, 140, 60]),
    }  # fmt: skip


def own(given: dict[str, np.ndarray]) -> dict[str, float | None]:
    """Return abkit's figures."""
    figures = drift(given["x"], given["y"])
    kinds = ("square", "tall", "wide")
    before, after = (dict(zip(kinds, given[name].tolist(), strict=True)) for name in ("before", "after"))
    mix = category_shift(before, after)
    return {
        "KS": figures.ks.statistic,
        "KS, p": figures.ks.p_value,
        "Wasserstein": figures.wasserstein.statistic,
        "Wasserstein over sd": (figures.wasserstein.statistic or 0) / float(np.std(given["x"])),
        "chi-squared": mix.statistic,
        "chi-squared, p": mix.p_value,
        "MMD²": embedding_shift(given["a"], given["b"]).mmd.statistic,
    }


def main() -> None:
    """Ask the peers that are named, and print what they say beside abkit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in _PEERS:
        parser.add_argument(f"--{name}", help=f"the Python of an environment with {_NAMES[name]}")
    asked = {name: python for name, python in vars(parser.parse_args()).items() if python}
    if not asked:
        parser.error("name the Python of at least one peer")
    given = windows()
    ours, far = own(given), 0
    # abkit's kernel is as wide as the median distance of all rows
    width = float(np.median(pdist(np.concatenate([given["a"], given["b"]]))))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "windows.npz"
        np.savez(path, **given, width=width)
        for name, python in asked.items():
            script = _READ + _PEERS[name] + "print(json.dumps(found))"
            done = subprocess.run([python, "-c", script, path], capture_output=True, text=True, check=True)
            for what, theirs in json.loads(done.stdout.splitlines()[-1]).items():
                mine = ours[what] or 0.0
                apart = abs(mine - theirs) / abs(theirs)
                fine = apart <= (1e-4 if what == "MMD²" else 1e-6)
                far += not fine
                print(
                    f"{what:20} abkit {mine:.9g}  {_NAMES[name]} {theirs:.9g}  apart {apart:.1e}{'' if fine else '  !'}"
                )
    sys.exit(1 if far else 0)


if __name__ == "__main__":
    main()
