"""Values of a compose file in their short and long forms.

Comes in: what YAML made of them. Goes out: records, texts and numbers. Pure.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from devloop.config import names
from devloop.setup.compose.records import Port, Volume


def ports_of(value: object) -> Iterator[Port]:
    """Ports of the short and the long form. Raises: ValueError."""
    if isinstance(value, dict):
        published = value.get("published")
        yield Port(
            _port(value.get("target")),
            _port(published) if published else None,
            str(value.get("protocol", "tcp")).upper(),
        )
        return
    text, _, protocol = str(value).partition("/")
    head, _, inside = text.rpartition(":")
    outside = head.rpartition(":")[2]
    numbers, shown = _range(inside), _range(outside) if outside and "." not in outside else []
    for index, number in enumerate(numbers):
        yield Port(number, shown[index] if len(shown) == len(numbers) else None, (protocol or "tcp").upper())


def _port(value: object) -> int:
    number = names.number(str(value)) or 0
    if not 0 < number < 65536:
        raise ValueError(value)
    return number


def _range(text: str) -> list[int]:
    first, _, last = text.partition("-")
    low, high = _port(first), _port(last or first)
    if not 0 <= high - low <= 100:
        raise ValueError(text)
    return list(range(low, high + 1))


def volume(value: object) -> Volume | None:
    """A volume of the short or the long form; None when it is neither."""
    if isinstance(value, dict):
        kind, target = str(value.get("type", "volume")), value.get("target")
        if not isinstance(target, str) or kind not in ("volume", "bind", "tmpfs"):
            return None
        source = str(value.get("source") or "")
        return Volume(
            "tmpfs" if kind == "volume" and not source else kind, target, source, bool(value.get("read_only"))
        )
    parts = str(value).split(":")
    if len(parts) == 1:
        return Volume("tmpfs", parts[0])
    is_path = parts[0].startswith((".", "/", "~"))
    return Volume("bind" if is_path else "volume", parts[1], parts[0], "ro" in parts[2:])


def env_lines(text: str) -> Iterator[tuple[str, str]]:
    """The variables of an env file."""
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if not equals or name.startswith("#"):
            continue
        value = value.strip()
        is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
        yield name.strip(), value[1:-1] if is_quoted else value.partition(" #")[0].rstrip()


def words(value: object) -> tuple[str, ...] | None:
    """A command as words, as a shell parts them; None when there is none."""
    if isinstance(value, str):
        try:
            return tuple(shlex.split(value))
        except ValueError:
            return ("sh", "-c", value)
    return tuple(map(text, value)) if isinstance(value, list) else None


def items(value: object) -> list[Any]:
    """A list, or nothing."""
    return value if isinstance(value, list) else []


def texts(value: object) -> list[str]:
    """A list's entries as text."""
    return [text(each) for each in items(value)]


def text(value: object) -> str:
    """A single value as YAML's writer meant it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def mapping(value: object) -> dict[str, str]:
    """A mapping, or a list of `KEY=VALUE`, as texts."""
    if isinstance(value, dict):
        return {key: text(each) for key, each in value.items() if each is not None}
    return {key: each for key, equals, each in (text.partition("=") for text in texts(value)) if equals}


def integer(value: object, default: int) -> int:
    """A number that is not negative, or the default."""
    return value if isinstance(value, int) and value >= 0 else default


def amounts(value: object) -> dict[str, str]:
    """CPUs and memory as Kubernetes writes them: compose's `m` are megabytes, which would be thousandths of a byte."""
    carry: Mapping[str, Callable[[str], str]] = {"cpus": str, "memory": _memory}
    words = {"cpus": "cpu", "memory": "memory"}
    found = value if isinstance(value, dict) else {}
    return {words[key]: carry[key](text(each)) for key, each in found.items() if key in carry}


def _memory(text: str) -> str:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]?)i?b?", text.lower())
    return f"{found[1]}{found[2].upper()}i".removesuffix("i" if not found[2] else "") if found else text
