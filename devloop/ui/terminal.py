"""Events for people: a line for each step that ended, blocks for failures, logs with a prefix.

Comes in: batches of events. Goes out: text. A failure's first line is the cause, its second the next step, then the evidence.
It draws what events say and decides nothing. Log lines are joined as bytes, without a styling library: 50,000 a second must pass.
"""

from __future__ import annotations

import re
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from devloop import view
from devloop.events import (
    AnyEvent,
    Check,
    Difference,
    Error,
    File,
    Forward,
    Image,
    LocalCluster,
    LocalNode,
    Log,
    Notice,
    Owned,
    Removed,
    Revision,
    Session,
    Setup,
    Step,
    Target,
    Unchanged,
    Update,
)
from devloop.ui import clusters, deployed, explanations, findings, setup
from devloop.ui.output import Output

EVIDENCE_LINES = 20
MAX_PREFIXES = 4096

_PLACE = re.compile(r"[^:]+:\d+(?::\d+)?")
_RESET = "\x1b[0m"
_STYLES = {
    "bold": "\x1b[1m",
    "dim": "\x1b[2m",
    "red": "\x1b[31m",
    "green": "\x1b[32m",
    "yellow": "\x1b[33m",
    "cyan": "\x1b[36m",
}
# Told apart on light and dark backgrounds; red and plain yellow are kept for failures and notices.
_POD_COLORS = ("36", "35", "32", "34", "96", "95", "92", "94")
_PREFIXES: Mapping[str, Callable[[Log], str]] = {
    "auto": lambda log: f"[{log.container}] ",
    "container": lambda log: f"[{log.container}] ",
    "pod": lambda log: f"[{log.pod}] ",
    "podAndContainer": lambda log: f"[{log.pod} {log.container}] ",
    "none": lambda _: "",
}


@dataclass(frozen=True)
class Style:
    """`is_live`: a person watches, so what begins is shown too. `is_verbose`: everything is shown."""

    is_color: bool = False
    is_live: bool = False
    is_verbose: bool = False


class Terminal:
    """Subscribe `show` to the bus. For one thread at a time."""

    def __init__(self, output: Output, style: Style = Style()) -> None:
        self._output = output
        self._style = style
        self._view = view.View()
        self._log_prefix = "auto"
        self._prefixes: dict[tuple[str, str, str], bytes] = {}
        self._build_lines: dict[str, deque[str]] = {}
        self._did: dict[int, dict[str, bool]] = {}  # update → target → whether any of its steps did something

    def show(self, events: Sequence[AnyEvent]) -> None:
        """Writes the events, all in one go. Blocks while the terminal does not read."""
        written: list[bytes] = []
        for event in events:
            if isinstance(event, Log):
                written.append(self._log(event))
            else:
                self._view = view.apply(self._view, event)
                written += (f"{line}\n".encode("utf-8", "surrogateescape") for line in self._lines(event))
        self._output.write(b"".join(written))

    def _lines(self, event: AnyEvent) -> Iterable[str]:
        match event:
            case Step():
                return self._step(event)
            case Update():
                return self._update(event)
            case Forward():
                return self._forward(event)
            case Error():
                return self._block("error", event.message, where=event.where, hint=event.hint, evidence=event.evidence)
            case Notice():
                return self._notice(event)
            case Unchanged():
                return self._saved(event)
            case File() | Target() | LocalCluster() | LocalNode() | Image():
                return self._answer(event)
            case Difference() | Owned() | Revision() | Removed():
                return deployed.lines(event, self._paint, is_verbose=self._style.is_verbose)
            case Setup():
                return setup.lines(event, self._paint)
            case Check():
                return findings.check(event, self._paint)
            case Session():
                return self._session(event)
            case _:
                return ()

    def _answer(self, event: File | Target | LocalCluster | LocalNode | Image) -> Iterable[str]:
        """What a command was asked for."""
        is_verbose = self._style.is_verbose
        match event:
            case File():
                return explanations.file(event, self._paint, is_verbose=is_verbose)
            case Target():
                return explanations.target(event, self._paint, is_verbose=is_verbose)
            case LocalCluster():
                return clusters.cluster(event, self._paint)
            case LocalNode():
                return clusters.node(event, self._paint, is_verbose=is_verbose)
            case Image():
                return explanations.image(event, self._paint)

    # Steps

    def _step(self, event: Step) -> Iterator[str]:
        name = f"{event.step} {_short(event.target)}"
        if event.state == "started":
            self._build_lines.pop(event.target, None)
            if self._style.is_live or self._style.is_verbose:
                yield self._paint("dim", _spaced(f"… {name}", event.reason))
            return
        if event.step != "test":  # an image that is tested again is the same
            did = self._did.setdefault(event.update, {})
            did[event.target] = did.get(event.target, False) or event.state != "skipped"
        if event.state == "failed":
            yield from self._failed(event, name)
        elif event.state != "skipped" or self._style.is_verbose or self._is_asked_for(event):
            yield self._ended(event, name)

    def _is_asked_for(self, event: Step) -> bool:
        """Whether it is what the command is about, so that its being skipped is an answer."""
        return event.step == "test" and self._view.session is not None and self._view.session.command == "test"

    def _ended(self, event: Step, name: str) -> str:
        mark = {"finished": self._paint("green", "✓"), "skipped": "=", "cancelled": "○"}[event.state]
        words = "" if event.state == "finished" else f" {event.state}"
        took = "" if event.duration_s is None or event.state == "skipped" else f" {_took(event.duration_s)}"
        result = f"→ {event.result}" if event.result and event.state == "finished" else ""
        note = f"({event.note})" if event.note else ""
        details = " ".join(filter(None, (self._paint("dim", event.reason), result, self._paint("dim", note))))
        return _spaced(f"{mark} {name}{words}{took}", details)

    def _failed(self, event: Step, name: str) -> Iterator[str]:
        evidence = event.evidence or tuple(self._build_lines.get(event.target, ()))
        is_dev = self._view.session is not None and self._view.session.command == "dev"
        hint = event.hint or ("mend it and save: devloop tries again" if is_dev else "mend it and run devloop again")
        why = ", ".join(filter(None, (_took(event.duration_s) if event.duration_s is not None else "", event.reason)))
        yield from self._block(name, event.error, where=event.where, hint=hint, evidence=evidence, detail=why)

    def _block(
        self, what: str, cause: str, *, where: str, hint: str, evidence: Iterable[str], detail: str = ""
    ) -> Iterator[str]:
        """A failure: the cause, the next step, the evidence. A problem of a file begins with its place, as compilers print it."""
        if what == "error" and _PLACE.fullmatch(where):
            yield f"{self._paint('bold', where)}: {self._paint('red', f'error: {cause}')}"
        else:
            place = f" ({where})" if where and where not in cause else ""
            yield _spaced(self._paint("red", f"✗ {what}: {cause}{place}"), self._paint("dim", detail))
        if hint:
            yield f"  next: {hint}"
        for text in evidence:
            yield from (f"    {line}" for line in text.splitlines())

    # Updates, ports, notices, the session

    def _update(self, event: Update) -> Iterator[str]:
        changed = _changed(event)
        if event.state == "started":
            if self._style.is_verbose:
                yield self._paint("dim", _spaced(f"update {event.update} started", changed))
            return
        yield from self._unchanged(event.update)
        took = "" if event.duration_s is None else f" {event.duration_s:.2f}s"
        phases = " · ".join(f"{name} {_phase(seconds)}" for name, seconds in event.phases.items())
        words = "live in" if event.state == "ready" else "failed after"
        proof = {True: ", fresh", False: ", but files have changed since", None: ""}[event.fresh]
        head = self._paint("green" if event.state == "ready" else "red", f"update {event.update} {words}{took}{proof}")
        yield _spaced(head + (self._paint("dim", f" ({phases})") if phases else ""), changed)

    def _unchanged(self, update: int) -> Iterator[str]:
        unchanged = [_short(target) for target, did in self._did.pop(update, {}).items() if not did]
        if unchanged and not self._style.is_verbose:
            yield self._paint("dim", f"= unchanged: {', '.join(unchanged)}")

    def _forward(self, event: Forward) -> Iterator[str]:
        address = f"[{event.address}]" if ":" in event.address else event.address
        resource = f"{event.resource}:{event.port}"
        if event.state == "listening":
            yield f"→ {self._paint('cyan', f'http://{address}:{event.local_port}')} {resource}"
        elif event.state == "failed":
            yield self._paint("red", f"✗ forward {address}:{event.local_port} → {resource}: {event.error}")
        elif self._style.is_verbose:
            pod = f" to pod {event.pod}" if event.pod else ""
            yield self._paint("dim", f"→ {address}:{event.local_port} {resource} {event.state}{pod}")

    def _notice(self, event: Notice) -> Iterator[str]:
        place = f" ({event.where})" if event.where else ""
        yield f"{event.message}{place}" if event.is_answer else self._paint("yellow", f"! {event.message}{place}")
        if event.hint:
            yield f"  {event.hint}"

    def _saved(self, event: Unchanged) -> Iterator[str]:
        if self._style.is_verbose:
            more = event.count - len(event.files)
            names = ", ".join(event.files) + (f" and {more} more" if more else "")
            words = "saved with the same content" if event.why == "same content" else "changed, but no target reads it"
            yield self._paint("dim", f"= {names}: {words}")

    def _session(self, event: Session) -> Iterator[str]:
        if event.state == "started":
            profiles = ", ".join(f"{name} ({why})" for name, why in event.profiles.items())
            names = (
                ("", event.project),
                ("context ", event.context),
                ("namespace ", event.namespace),
                ("profiles ", profiles),
            )
            yield " · ".join(
                [self._paint("bold", f"devloop {event.command}"), *(label + name for label, name in names if name)]
            )
        elif event.state == "configured":
            self._log_prefix = event.log_prefix
            self._prefixes.clear()
        elif event.state == "watching":
            yield self._paint("dim", "watching for changes; Ctrl-C ends")
        elif event.state == "stopping":
            yield self._paint("dim", "stopping")
        else:
            yield from self._ended_session(event)

    def _ended_session(self, event: Session) -> Iterator[str]:
        for update in list(self._did):
            yield from self._unchanged(update)
        command = self._view.session.command if self._view.session else event.command
        if command == "build":
            yield from (f"{artifact} → {ref}" for artifact, ref in event.images.items())
        if not command and (event.exit_code == 0 or (event.exit_code == 1 and not self._view.errors)):
            return  # it only answered a question; the answer of `diff` is in its exit code, too
        if event.exit_code == 0:
            yield self._paint("green", "stopped" if command == "dev" else f"done in {_took(event.at_s)}")
        elif event.exit_code == 130:
            yield "interrupted"
        else:
            failed = ", ".join(f"{step.step} {_short(step.target)}" for step in self._view.failures)
            yield self._paint("red", f"failed after {_took(event.at_s)}" + (f": {failed}" if failed else ""))

    # Logs

    def _log(self, event: Log) -> bytes:
        if event.source == "build":
            self._build_lines.setdefault(event.target, deque(maxlen=EVIDENCE_LINES)).append(event.line)
            if not self._style.is_verbose:
                return b""
        key = (event.target, event.pod, event.container)
        prefix = self._prefixes.get(key)
        if prefix is None:
            if len(self._prefixes) >= MAX_PREFIXES:
                self._prefixes.clear()
            prefix = self._prefixes[key] = self._prefix(event).encode()
        end = (
            b"\x1b[0m\n" if self._style.is_color and "\x1b" in event.line else b"\n"
        )  # colours must not run into the next
        return prefix + event.line.encode("utf-8", "surrogateescape") + end

    def _prefix(self, event: Log) -> str:
        if event.source == "build":
            return self._paint("dim", f"[{_short(event.target)}]") + " "
        prefix = _PREFIXES[self._log_prefix](event)
        if not prefix or not self._style.is_color:
            return prefix
        color = _POD_COLORS[zlib.crc32(f"{event.pod}/{event.container}".encode()) % len(_POD_COLORS)]
        return f"\x1b[{color}m{prefix.rstrip()}{_RESET} "

    def _paint(self, style: str, text: str) -> str:
        return f"{_STYLES[style]}{text}{_RESET}" if text and self._style.is_color else text


def _short(target: str) -> str:
    """`image/shop/api` → `shop/api`."""
    return target.partition("/")[2] or target


def _spaced(head: str, tail: str) -> str:
    return f"{head}  {tail}" if tail else head


def _took(seconds: float) -> str:
    if seconds < 9.95:
        return f"{seconds:.2f}s" if seconds < 0.995 else f"{seconds:.1f}s"
    whole = round(seconds)
    return f"{whole}s" if whole < 60 else f"{whole // 60}m{whole % 60:02d}s"


def _phase(seconds: float) -> str:
    return "0" if seconds < 0.005 else f"{seconds:.2f}"


def _changed(event: Update) -> str:
    """The first three of what changed; the first pass says why it runs instead."""
    more = len(event.changed) - 3
    names = ", ".join(event.changed[:3]) + (f" and {more} more" if more > 0 else "")
    return f"changed {names}" if names and event.update > 1 else names
