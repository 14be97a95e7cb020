"""Reasons of rejects, counted by kind."""

import re
from collections import Counter
from collections.abc import Iterable

_VALUE = re.compile(r":? ?(line )?('.*?'|(?<![A-Za-z])-?\d[\d.,:+\-]*(e[+-]?\d+)?)")


def kinds(reasons: Iterable[str]) -> Counter[str]:
    """Count reasons without the values in them.

    >>> kinds(["duplicate of line 3", "duplicate of line 12"])
    Counter({'duplicate of …': 2})
    """
    texts = (re.sub(r"\bcell [A-Z]{1,3}\d+", "a cell", reason) for reason in reasons)
    return Counter(re.sub(r"(…[ .:]*)+…", "…", _VALUE.sub(" …", reason)).strip() for reason in texts)
