"""Link ads to creatives by the fields that a person's patterns find in the names of both."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from abkit.intake.kpis.header.fields import listed
from abkit.intake.name_patterns import parse_pattern, read_name
from abkit.store.database.engine import Store
from abkit.store.kpis.linking.link_lists import Advertised, advertised, campaigns_of_ads, names_of_ads
from abkit.store.kpis.linking.links import REMOVED, relink, set_links
from abkit.store.runs import recorded_run
from abkit.vocabulary import LinkedBy, LinkStatus
from abkit.workflows.kpis.linking.report import LinkReport, link_report, links_of, open_ads

_MOST_SHOWN = 5


def link_by_pattern(store: Store, patterns: Sequence[str]) -> LinkReport:
    """Link the ads without a creative whose fields agree with those of exactly one creative.

    A name is read by the first pattern that it fits. Names agree when they share a field, and all fields that both
    have are equal. The creatives of the ad's campaign count, if any of them agrees; otherwise all do.

    Args:
        store: A store at the current migration.
        patterns: Such as `{brand}_{concept}_v{n}_{size}`; of the names of ads and of files alike.

    Raises:
        UsageError: One of them is not a pattern.
    """
    parsed = [parse_pattern(pattern) for pattern in patterns]
    with recorded_run(store, "kpi link", {"patterns": list(patterns)}) as record:
        with store.write() as session:
            outcome = relink(session, record.id)
            rows = open_ads(session, outcome)
            asked = [ad for ad, row in rows.items() if row["reason"] != REMOVED.reason]
            names = names_of_ads(session, asked)
            campaigns = campaigns_of_ads(session, asked)
            creatives = {one.creative_id: one for one in advertised(session)}
            read = _Creatives(
                (id_, fields)
                for id_, one in creatives.items()
                for name in one.names
                if (fields := read_name(parsed, name))
            )
            pairs: dict[tuple[int, int], float | None] = {}
            unread: list[str] = []
            for ad, called in names.items():
                readings = [fields for name in called if (fields := read_name(parsed, name))]
                unread += [] if readings else called[:1]
                found = {id_ for fields in readings for id_ in read.agreeing(fields)}
                inside = {id_ for id_ in found if campaigns.get(ad) in creatives[id_].campaigns}
                meant = sorted(inside or found)
                if len(meant) == 1:
                    pairs[ad, meant[0]] = None
                elif meant:
                    rows[ad] |= _ambiguous([creatives[id_] for id_ in meant])
            outcome.linked += set_links(session, pairs, LinkedBy.PATTERN, record.id)
            linked = [ad for ad, _ in pairs]
            rows = {ad: row for ad, row in rows.items() if ad not in set(linked)}
            links = links_of(session, linked)
        notes = [f"{len(read):,} of {len(creatives):,} creatives have a name that fits a pattern in exactly one way"]
        if unread:
            notes.append(f"{len(unread):,} ads have none: {listed(unread)}")
        return link_report(record, outcome, rows, links=links, notes=notes)


class _Creatives:
    """Creatives by the fields of their names."""

    def __init__(self, readings: Iterable[tuple[int, Mapping[str, str]]]) -> None:
        self._readings: dict[frozenset[str], list[tuple[int, Mapping[str, str]]]] = defaultdict(list)
        for creative, fields in readings:
            self._readings[frozenset(fields)].append((creative, fields))
        self._found: dict[tuple[frozenset[str], tuple[str, ...]], dict[tuple[str, ...], set[int]]] = {}

    def __len__(self) -> int:
        return len({creative for some in self._readings.values() for creative, _ in some})

    def agreeing(self, fields: Mapping[str, str]) -> set[int]:
        """Return the creatives that share a field with these, and have the same value in all that they share."""
        agreeing: set[int] = set()
        for kind in self._readings:
            if shared := tuple(sorted(kind & fields.keys())):
                values = tuple(fields[name] for name in shared)
                agreeing |= self._by_values(kind, shared).get(values, set())
        return agreeing

    def _by_values(self, kind: frozenset[str], shared: tuple[str, ...]) -> dict[tuple[str, ...], set[int]]:
        if (kind, shared) not in self._found:
            found: dict[tuple[str, ...], set[int]] = defaultdict(set)
            for creative, fields in self._readings[kind]:
                found[tuple(fields[name] for name in shared)].add(creative)
            self._found[kind, shared] = dict(found)
        return self._found[kind, shared]


def _ambiguous(meant: Sequence[Advertised]) -> dict[str, Any]:
    called = listed([one.name for one in meant], most=_MOST_SHOWN)
    reason = f"{len(meant)} creatives agree in all fields: {called}"
    return {"status": LinkStatus.AMBIGUOUS, "suggestion": None, "confidence": None, "reason": reason}
