"""The navigation: which pages there are, for whom, in which order."""

from __future__ import annotations

from abkit.web.access.people import Permission, Person

#: Name of the route, its label, and who sees it.
_ENTRIES: tuple[tuple[str, str, Permission], ...] = (
    ("overview", "Overview", Permission.VIEW),
    ("campaigns", "Campaigns", Permission.VIEW),
    ("label", "Label", Permission.LABEL),
    ("reviews", "Review", Permission.VIEW),
    ("experiments", "Experiments", Permission.VIEW),
    ("drift", "Drift", Permission.VIEW),
    ("models", "Models", Permission.VIEW),
    ("kpis", "KPIs", Permission.VIEW),
    ("alerts", "Alerts", Permission.VIEW),
    ("jobs", "Jobs", Permission.VIEW),
    ("upload", "Upload", Permission.OPERATE),
    ("raters", "Raters", Permission.OPERATE),
    ("people", "People", Permission.ADMINISTER),
)


def navigation(person: Person) -> list[tuple[str, str]]:
    """Return (name of the route, label) of the pages that somebody may open.

    >>> from abkit.vocabulary import Role
    >>> navigation(Person(name="ada", role=Role.VIEWER))[0]
    ('overview', 'Overview')
    """
    return [(name, label) for name, label, permission in _ENTRIES if person.can(permission)]
