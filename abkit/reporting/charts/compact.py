"""The same drawing in fewer bytes: a page carries each of its charts twice, with a mark for every creative."""

from __future__ import annotations

import re

_TAG = re.compile(r'<[a-z][^<>"]*(?:"[^"]*"[^<>"]*)*>')
_WORDS = re.compile(r' (?:aria-[a-z]+|role|class|pointer-events)="[^"]*"')
_LONG = re.compile(r"-?\d*\.\d{3,}(?:e-?\d+)?")
_DOT = re.compile(
    r'<path transform="translate\(([-\d.]+),([-\d.]+)\)"'
    r' d="M([\d.]+),0A\3,\3,0,1,1,-\3,0A\3,\3,0,1,1,\3,0"'
)
_GROUP = re.compile(r"(<g\b[^<>]*>)((?:<(?:path|line|circle) [^<>]*/>){3,})(?=</g>)")
_SHARED = ("fill", "stroke", "stroke-width")


def compact(svg: str) -> str:
    """Return the drawing that Vega made, for a figure that says in words what it shows.

    1. What is said of each mark to readers of screens goes: the figure around it is one image to them.
    2. Coordinates have two decimals, a hundredth of a pixel.
    3. A dot is a circle, and what all marks of a group have in common is said once, by the group. Its opacity is not:
       that of a group is another thing, seen where marks overlap.

    >>> compact('<path role="x" transform="translate(1.23456,2)" d="M3,0A3,3,0,1,1,-3,0A3,3,0,1,1,3,0" opacity="1"/>')
    '<circle cx="1.23" cy="2" r="3"/>'
    """
    short = _DOT.sub(r'<circle cx="\1" cy="\2" r="\3"', _TAG.sub(_shortened, svg))
    return _GROUP.sub(_said_once, short)


def _shortened(tag: re.Match[str]) -> str:
    return _LONG.sub(_rounded, _WORDS.sub("", tag[0]).replace(' opacity="1"', ""))


def _rounded(number: re.Match[str]) -> str:
    short = f"{float(number[0]):.2f}".rstrip("0").rstrip(".")
    return "0" if short == "-0" else short


def _said_once(group: re.Match[str]) -> str:
    opened, marks = group[1], group[2]
    for name in _SHARED:
        said = re.findall(rf' {name}="[^"]*"', marks)
        if len(set(said)) == 1 and len(said) == marks.count("/>") and f" {name}=" not in opened:
            marks = marks.replace(said[0], "")
            opened = f"{opened[:-1]}{said[0]}>"
    return opened + marks
