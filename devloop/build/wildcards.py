"""Go's `filepath.Match` and `path.Clean`, the terms in which Docker speaks of paths.

Comes in: patterns and paths with `/`. Goes out: regular expressions for `fullmatch`, clean paths. It never looks at the disk.
Source: https://pkg.go.dev/path/filepath#Match
"""

from __future__ import annotations

import posixpath
import re

_SET = r"\[(?:\^|(?!\^))(?:MEMBER(?:-MEMBER)?)+\]".replace("MEMBER", r"(?:[^\\\]-]|\\.)")
_TERM = re.compile(rf"(?P<any>\*)|(?P<one>\?)|(?P<set>{_SET})|\\(?P<escaped>.)|(?P<plain>[^\\\[])", re.DOTALL)
_WELL_FORMED = re.compile(rf"(?:{_TERM.pattern})*", re.DOTALL)
_IN_SETS = re.compile(r"\\.|[\[&|~]", re.DOTALL)


def clean(path: str) -> str:
    """The shortest form of a path, as Go sees it: unlike in Python, two leading slashes are one."""
    cleaned = posixpath.normpath(path)
    return cleaned[1:] if cleaned.startswith("//") else cleaned


def has_wildcards(path: str) -> bool:
    """Whether `*`, `?` or `[` stands in it without a backslash before it."""
    return re.search(r"[*?\[]", re.sub(r"\\.", "", path, flags=re.DOTALL)) is not None


def is_well_formed(pattern: str) -> bool:
    """Whether `Match` takes the pattern: sets are closed and not empty, ranges have both ends, no lone backslash at the end."""
    return _WELL_FORMED.fullmatch(pattern) is not None


def expression(pattern: str) -> str:
    """A well-formed pattern as a regular expression. `*` and `?` stop at `/`; a set may match it, as in Go."""
    out = []
    for term in _TERM.finditer(pattern):
        if term["any"] or term["one"]:
            out.append("[^/]*" if term["any"] else "[^/]")
        elif term["set"]:
            out.append(_set(term["set"]))
        else:
            out.append(re.escape(term["escaped"] or term["plain"]))
    return "".join(out)


def safe_set(members: str) -> str:
    """The members of a set with what Python reads in another way escaped."""
    return _IN_SETS.sub(lambda found: found[0] if found[0].startswith("\\") else f"\\{found[0]}", members)


def _set(text: str) -> str:
    negation = "^" if text.startswith("[^") else ""
    translated = f"[{negation}{safe_set(text[1 + len(negation) : -1])}]"
    try:
        re.compile(translated)
    except re.error:
        return "(?!)"  # a range from high to low matches nothing
    return translated
