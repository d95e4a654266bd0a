"""Where a chart comes from: a folder or an archive on this machine, a repository, or a registry.

Comes in: what a unit says of its chart. Goes out: a folder or archive that helm can take, with all dependencies. A chart from elsewhere
is fetched once and kept in the cache folder, so that later there is no need for a network. The user's own chart is never written to:
one that lacks dependencies is rendered from a copy that has them.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from devloop.config import model
from devloop.errors import StepFailed
from devloop.render import charts
from devloop.render.files import shown
from devloop.scope import Scope
from devloop.stages import Tools
from devloop.store.folders import cache_folder

_EXACT = re.compile(r"v?\d+\.\d+\.\d+(?:[-+][\w.+-]+)?")
_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_PLAIN_HTTP = "server gave HTTP response to HTTPS client"


@dataclass(frozen=True)
class Remote:
    """A chart that is not on this machine. `name`: in `repo`, or `oci://…` itself."""

    name: str
    repo: str = ""
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.version}".strip() + (f" of {_bare(self.repo)}" if self.repo else "")

    @property
    def folder(self) -> Path:
        """Where it is kept."""
        key = hashlib.sha256(f"{self.repo}\0{self.name}\0{self.version}".encode()).hexdigest()
        return cache_folder() / "charts" / key[:32]

    @property
    def archive(self) -> Path | None:
        """The chart, if it was fetched. Blocks on the disk."""
        return next(iter(sorted(self.folder.glob("*.tgz"))), None)


def remote(spec: model.Helm) -> Remote | None:
    """The chart of a unit, if it comes from elsewhere."""
    if spec.repo or spec.chart.startswith("oci://"):
        return Remote(spec.chart, spec.repo or "", spec.version or "")
    return None


def local(spec: model.Helm, base: Path) -> Path:
    """The chart of a unit that is on this machine."""
    return Path(os.path.normpath(base / spec.chart))


def named(spec: model.Helm, base: Path) -> str:
    """The chart as people know it."""
    return str(remote(spec) or shown(local(spec, base), base))


def of_dependency(chart: Path, wanted: charts.Dependency) -> Remote:
    """Where a dependency comes from that is no folder."""
    version = charts.locked(chart, wanted)
    if wanted.repository.startswith("oci://"):
        return Remote(f"{wanted.repository.rstrip('/')}/{wanted.name}", "", version)
    for prefix in ("@", "alias:"):
        if wanted.repository.startswith(prefix):
            return Remote(f"{wanted.repository.removeprefix(prefix)}/{wanted.name}", "", version)
    return Remote(wanted.name, wanted.repository, version)


@contextmanager
def complete(scope: Scope, unit: model.Unit, base: Path, tools: Tools) -> Iterator[Path]:
    """The unit's chart with all that it depends on, until the block is left. Blocks; cancelled by the scope.

    Raises: StepFailed when there is none, or it cannot be fetched.
    """
    spec = unit.helm
    if spec is None:
        raise TypeError(f"unit {unit.name} names no chart")
    where = f"deploy/{unit.name}"
    if elsewhere := remote(spec):
        yield fetched(scope, elsewhere, where, tools)
        return
    chart = local(spec, base)
    if not chart.exists():
        raise StepFailed(f"no chart {shown(chart, base)}", where=where, hint="`helm.chart` names its folder")
    if chart.is_file() or not charts.lacking(chart):
        yield chart
        return
    with tempfile.TemporaryDirectory(prefix="devloop-chart-") as folder:
        copy = Path(folder, chart.name)
        _copy(scope, chart, copy, where=shown(chart, base), tools=tools)
        yield copy


def fetched(scope: Scope, wanted: Remote, where: str, tools: Tools) -> Path:
    """The archive of a chart from elsewhere; asked for only when it is not kept yet. Blocks; cancelled by the scope."""
    if (known := wanted.archive) is not None:
        return known
    folder = wanted.folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=folder.parent) as made:
        _pull(scope, wanted, Path(made, "chart"), where, tools)
        try:
            os.rename(Path(made, "chart"), folder)
        except OSError:
            if wanted.archive is None:  # else another session was first
                raise
    archive = wanted.archive
    if archive is None:
        raise StepFailed(f"helm pull {wanted}: it left no archive", where=where)
    kept = "" if _EXACT.fullmatch(wanted.version) else f"; it stays until {folder} is deleted"
    tools.line(f"fetched {archive.name} for {wanted}{kept}")
    return archive


def _pull(scope: Scope, wanted: Remote, folder: Path, where: str, tools: Tools) -> None:
    folder.mkdir()
    words = ["helm", "pull", wanted.name, "--destination", str(folder)]
    words += ["--repo", wanted.repo] if wanted.repo else []
    words += ["--version", wanted.version] if wanted.version else []
    password = urlsplit(wanted.repo).password
    secrets = (password,) if password else ()
    done = tools.processes.run(scope, words, check=False, secrets=secrets)
    is_local = urlsplit(wanted.name).hostname in _LOCAL_HOSTS
    if done.code and is_local and any(_PLAIN_HTTP in line for line in done.tail):
        done = tools.processes.run(scope, [*words, "--plain-http"], check=False, secrets=secrets)
    if done.code:
        told = [line.removeprefix("Error: ") for line in done.tail if line.strip()]
        hint = "`helm registry login HOST` signs in" if wanted.name.startswith("oci://") else None
        if "/" in wanted.name and not wanted.repo and hint is None:
            hint = f"`helm repo add {wanted.name.partition('/')[0]} URL` makes the repository known"
        message = told[-1] if told else f"exit code {done.code}"
        raise StepFailed(f"helm pull {wanted}: {message}", where=where, hint=hint, evidence=tuple(told[:-1]))


def _copy(scope: Scope, chart: Path, to: Path, *, where: str, tools: Tools, above: tuple[Path, ...] = ()) -> None:
    """Copies what helm loads of a chart, and supplies what it lacks. `above`: the charts that it is copied for."""
    if chart in above:
        raise StepFailed(
            f"the chart depends on itself: {' → '.join(each.name for each in (*above, chart))}", where=where
        )
    for path in charts.loaded(chart):
        target = to / path.relative_to(chart)
        if target.name != ".helmignore" or target.parent != to:  # its rules were applied
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    for each in charts.lacking(chart):
        scope.check()
        if each.folder is None:
            if each.repository:  # else it has to be in `charts`, which helm says
                (to / "charts").mkdir(exist_ok=True)
                shutil.copy(fetched(scope, of_dependency(chart, each), f"{where}/Chart.yaml", tools), to / "charts")
            continue
        if not (each.folder / "Chart.yaml").is_file():
            message = f"the dependency {each.name} is not there: no Chart.yaml in {each.folder}"
            raise StepFailed(message, where=f"{where}/Chart.yaml", hint=f"`repository` says {each.repository}")
        for old in charts.archives(to, each.name):
            old.unlink()
        _copy(scope, each.folder, to / "charts" / each.name, where=where, tools=tools, above=(*above, chart))


def _bare(url: str) -> str:
    """The URL without its user and password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
