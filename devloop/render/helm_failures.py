"""What helm says when it cannot render, as an error that names the template.

Comes in: the last lines of helm's output. Goes out: a StepFailed. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from devloop.errors import StepFailed

# `chart/templates/api.yaml:12:20`, as helm names places in its errors.
_PLACE = re.compile(
    r"(?P<chart>[\w.-]+)/(?P<path>(?:charts/[\w.-]+/)*(?:templates|crds)/[\w./-]+)(?P<at>(?::\d+){0,2})"
)
_ERROR = re.compile(r"^Error: ")
_NOISE = ("Use --debug flag", "found symbolic link")


def failure(tail: Sequence[str], code: int, chart: str, unit: str, place: Callable[[str], str]) -> StepFailed:
    """The error. `chart`: as people know it; `place`: a path in it as they know that."""
    lines = [line for line in tail if line.strip()]
    told = next((line for line in lines if _ERROR.match(line)), lines[-1] if lines else f"exit code {code}")
    message = _ERROR.sub("", told)
    found = _PLACE.search(message)
    hint = None
    if "missing in charts/ directory" in message:
        hint = f"they name no `repository`, so they have to lie in {chart}/charts"
    elif found and not found["at"]:
        hint = "the line is one of the rendered text; `helm template --debug` shows it"
    elif "unknown flag" in message:
        hint = "is it one that this version of helm has?"
    where = f"{place(found['path'])}{found['at']}" if found else chart or f"deploy/{unit}"
    evidence = tuple(line for line in lines if line != told and not any(each in line for each in _NOISE))
    return StepFailed(f"helm template {chart}: {message}", where=where, hint=hint, evidence=evidence)
