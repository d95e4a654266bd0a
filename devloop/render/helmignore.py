"""`.helmignore`: which files of a chart helm does not load.

Comes in: the file's text. Goes out: a predicate on paths relative to the chart. The rules are helm's (pkg/ignore), which are not git's:
no `**`, and a `!` rule ignores whatever it does not match. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

# Helm's own, before the file's: https://github.com/helm/helm/blob/main/pkg/ignore/rules.go
_DEFAULTS = ("templates/.?*",)


@dataclass(frozen=True)
class _Rule:
    expression: re.Pattern[str]
    is_negated: bool
    wants_folder: bool
    has_path: bool

    def matches(self, path: str) -> bool:
        return self.expression.fullmatch(path if self.has_path else path.rpartition("/")[2]) is not None


def ignored(text: str) -> Callable[[str], bool]:
    """Whether a file with this path (`templates/a.yaml`), or a folder above it, is left out. Unusable rules count as absent."""
    rules = [rule for line in (*_DEFAULTS, *text.removeprefix("\ufeff").splitlines()) if (rule := _rule(line))]

    def is_ignored(path: str) -> bool:
        parts = path.split("/")
        return any(
            _is_out(rules, "/".join(parts[:length]), is_folder=length < len(parts))
            for length in range(1, len(parts) + 1)
        )

    return is_ignored


def _is_out(rules: list[_Rule], path: str, *, is_folder: bool) -> bool:
    for rule in rules:
        if rule.is_negated:
            if (rule.wants_folder and not is_folder) or not rule.matches(path):
                return True
        elif (is_folder or not rule.wants_folder) and rule.matches(path):
            return True
    return False


def _rule(line: str) -> _Rule | None:
    text = line.strip()
    if not text or text.startswith("#") or "**" in text:
        return None
    is_negated = text.startswith("!")
    text = text.removeprefix("!")
    wants_folder = text.endswith("/")
    text = text.removesuffix("/")
    try:
        expression = re.compile(_translate(text.removeprefix("/")), re.DOTALL)
    except re.error:
        return None
    return _Rule(expression, is_negated, wants_folder, "/" in text)


def _translate(glob: str) -> str:
    """Go's filepath.Match as a regular expression."""
    out = []
    at = 0
    while at < len(glob):
        char = glob[at]
        end = glob.find("]", at + 2) if char == "[" else -1
        if char == "*":
            out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "\\" and at + 1 < len(glob):
            at += 1
            out.append(re.escape(glob[at]))
        elif end > 0:
            out.append(f"(?!/){glob[at : end + 1]}")
            at = end
        else:
            out.append(re.escape(char))
        at += 1
    return "".join(out)
