"""Which segments of delivery explain that the level of the KPI moved, and whether the mix of delivery did.

These rows explain: the test of the level decides.
"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
from sqlalchemy.orm import Session

from abkit.config import DriftSettings
from abkit.stats.monitoring.shifts.segment_shift import SegmentShift, segment_shifts
from abkit.store.kpis.dimensions import segment_values
from abkit.vocabulary import DriftVerdict, Layer
from abkit.workflows.drift.layers.delivery import Delivered
from abkit.workflows.drift.layers.what_moved import mix_row
from abkit.workflows.drift.results import LayerResult, show_p
from abkit.workflows.learning.appeals.delivered import labels

_SHOWN = 3
_KEPT = 20


def judge_segments(session: Session, both: Delivered, settings: DriftSettings) -> list[LayerResult]:
    """Test which segments changed otherwise than the others, and whether creatives ran in other ones.

    Args:
        session: A reading session.
        both: What was delivered in both windows.
        settings: `kpi_floor` for segments, `mix_floor` for the mix.
    """
    if not both.rows or both.current.all() or not both.current.any():
        return []  # the test of the level says what is missing
    dimensions = segment_values(session, [row.segment_id for row in both.rows], [row.campaign_id for row in both.rows])
    found = segment_shifts(
        events=both.count, exposure=both.exposure, unit=both.idea, current=both.current, dimensions=dimensions
    )
    if not found:
        return []
    moved = [
        one
        for one in found
        if one.q_value is not None
        and one.q_value < settings.alpha
        and one.apart is not None
        and abs(one.apart) >= settings.kpi_floor
    ]
    creative = both.column("creative_id")
    segments = LayerResult(
        layer=Layer.KPI,
        test="segments",
        verdict=DriftVerdict.WATCH if moved else DriftVerdict.OK,
        sentence=_sentence(found, moved, both),
        statistic=moved[0].apart if moved else None,
        p_value=min((one.p_value for one in found if one.p_value is not None), default=None),
        n_reference=len(np.unique(creative[~both.current])),
        n_current=len(np.unique(creative[both.current])),
        threshold=settings.kpi_floor,
        detail={"unit": "creatives", "explains": True, "segments": [one.to_dict() for one in found[:_KEPT]]},
    )
    return [segments, *_mixes(both, dimensions, settings)]


def _sentence(found: list[SegmentShift], moved: list[SegmentShift], both: Delivered) -> str:
    name = " per ".join(both.definition.rate).replace("_", " ")
    if not moved:
        dimensions = ", ".join(sorted({one.dimension for one in found}))
        return f"KPI level: no segment ({dimensions}) changed clearly otherwise than the others ({name})."
    total = sum(one.contribution for one in found if one.dimension == moved[0].dimension)
    parts = []
    for one in moved[:_SHOWN]:
        percent = f"{100 * math.expm1(one.log_ratio or 0):+.0f} %".replace("-", "−")
        share = f", {100 * one.contribution / total:.0f} % of the whole change" if total else ""
        parts.append(f"{one.dimension} {one.value}: {percent} (q {show_p(one.q_value)}{share})")
    return f"KPI level: segments that changed otherwise than the others ({name}): {'; '.join(parts)}."


def _mixes(both: Delivered, dimensions: dict[str, list[str]], settings: DriftSettings) -> list[LayerResult]:
    """Test whether creatives ran in other segments: each counts once, where it had the most impressions."""
    rows = []
    shown = np.array([row.impressions for row in both.rows], np.float64)
    ran = labels(both.current, both.column("creative_id"))
    for dimension, values in dimensions.items():
        names, label = np.unique(np.array(values, str), return_inverse=True)
        given = np.flatnonzero(names[label] != "")
        each, first, place = np.unique(ran[given] * len(names) + label[given], return_index=True, return_inverse=True)
        # The first row of each creative in a window, by impressions; of as many, by what came first.
        most = np.lexsort((first, -np.bincount(place, shown[given]), each // len(names)))
        best = given[first[most[np.flatnonzero(np.diff(each[most] // len(names), prepend=-1))]]]
        mixes = [Counter(names[label[best[both.current[best] == now]]].tolist()) for now in (False, True)]
        fewest = min(sum(mix.values()) for mix in mixes)
        if fewest >= settings.min_creatives and len({*mixes[0], *mixes[1]}) > 1:
            rows.append(mix_row(Layer.KPI, f"{dimension}_mix", f"{dimension}s", mixes[0], mixes[1], settings))
    return rows
