"""Names: which are valid, what a wrong one was probably meant to be, and what something without one is called.

Comes in: text. Goes out: verdicts, suggestions and labels. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
_LABEL = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_SUBDOMAIN = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"
# https://github.com/distribution/reference/blob/main/regexp.go
_DOMAIN = r"[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*(:[0-9]+)?"
_COMPONENT = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
_IMAGE_CONTEXT = "docker-image://"
_LONGEST_COMPARED = 80
_MOST_COMPARED = 200
_LONGEST_SHOWN = 300


def is_label(text: str, longest: int = 63) -> bool:
    """Whether it is a DNS label: lower-case letters and digits, `-` between them."""
    return len(text) <= longest and re.fullmatch(_LABEL, text) is not None


def is_subdomain(text: str) -> bool:
    """Whether Kubernetes takes it for the name of most objects."""
    return len(text) <= 253 and re.fullmatch(_SUBDOMAIN, text) is not None


def is_variable(text: str) -> bool:
    """Whether a shell and a Dockerfile can name a variable so."""
    return re.fullmatch(_VARIABLE, text) is not None


def is_repository(text: str) -> bool:
    """Whether it names an image, with or without a registry, and has neither tag nor digest."""
    if len(text) > 255:
        return False
    first, *rest = text.split("/")
    if rest and _is_host(first):
        return re.fullmatch(_DOMAIN, first) is not None and _are_components(rest)
    return _are_components((first, *rest))


def number(text: str) -> int | None:
    """The number that the text is, of ASCII digits and not too many of them; Python's `isdigit` knows others that `int` does not."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None


def is_registry(text: str) -> bool:
    """Whether images can be put below it: a host, with or without a port and a path, or a user of Docker Hub."""
    first, *rest = text.removesuffix("/").split("/")
    return bool(re.fullmatch(_DOMAIN, first)) and _are_components(rest)


def is_platform(text: str) -> bool:
    """Whether it is `os/architecture` or `os/architecture/variant`."""
    return re.fullmatch(r"[a-z0-9]+(/[a-z0-9]+){1,2}", text) is not None


def is_address(text: str) -> bool:
    """Whether a build fetches it from elsewhere: a git repository or an archive."""
    return re.match(r"(?:https?|git|ssh)://|[\w.-]+@[^/:]+:", text) is not None


def image_of_context(text: str) -> str | None:
    """The image that a named context says it is; None for another context."""
    return text.removeprefix(_IMAGE_CONTEXT) if text.startswith(_IMAGE_CONTEXT) else None


def is_folder(text: str) -> bool:
    """Whether a named context is a folder of this machine, if it is no artifact."""
    return "://" not in text and not is_address(text)


def without_tag(text: str) -> str:
    """The repository of an image reference."""
    name = text.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return head + slash + last.partition(":")[0]


def to_label(text: str) -> str:
    """The text as a DNS label; empty when nothing of it can stay."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:63].strip("-")


def suggestion(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant."""
    import difflib
    from itertools import islice

    if len(word) > _LONGEST_COMPARED:
        return None
    by_lower = {each.lower(): each for each in islice(known, _MOST_COMPARED)}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return by_lower[close[0]] if close else None


def did_you_mean(word: str, known: Iterable[str], otherwise: str | None = None) -> str | None:
    """A hint for a wrong word."""
    found = suggestion(word, known)
    return f"did you mean `{found}`?" if found else otherwise


def one_line(text: str) -> str:
    """Text from a file as a message may hold it: nothing that moves the cursor, and no more than a few lines of it."""
    line = "".join(each if each.isprintable() else "�" for each in " ".join(text.split()))
    return line if len(line) <= _LONGEST_SHOWN else line[: _LONGEST_SHOWN - 1] + "…"


def _are_components(parts: Iterable[str]) -> bool:
    return all(re.fullmatch(_COMPONENT, each) for each in parts)


def _is_host(first: str) -> bool:
    """Docker takes a first part in capitals for a host too; here it is a mistyped name."""
    return "." in first or ":" in first or first == "localhost"
