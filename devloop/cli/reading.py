"""Reads the configuration with all that it hears of: the options, the environment, the kubeconfig, commands and the user.

Comes in: the shared options. Goes out: what `config.load` makes of them. It remembers nothing itself; `Common.outside` does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from devloop import events
from devloop.cli import preferences
from devloop.cli.options import Common, Output
from devloop.cli.report import Report
from devloop.config import load as config_load
from devloop.config import settings
from devloop.config.model import Cluster
from devloop.config.modules import Fetch
from devloop.config.profiles import Facts
from devloop.scope import Scope
from devloop.store.folders import cache_folder

if TYPE_CHECKING:
    from devloop.effects.git import Checkouts

# What was said of the configuration by the command that deployed it, these need not say again.
_ABOUT_THE_CLUSTER = frozenset(
    {"ls", "history", "rollback", "delete", "explain", "doctor", "cache ls", "cache prune", "modules"}
)


def load(
    common: Common, report: Report, within: Scope | None = None, *, is_updating: bool = False
) -> config_load.Loaded:
    """Reads the configuration that the options name; tells what is worth knowing about it. Blocks on its commands and on the user.

    What it requires of git is fetched unless it is kept. `is_updating`: tags and branches are fetched again. `within`: the scope of a
    session that reads it again; then nobody is asked anything new. Raises: ConfigError, UsageError, Cancelled.
    """
    if within is not None:
        with within.child("configuration") as scope:
            return _load(common, report, scope, is_again=True, is_updating=is_updating)
    with Scope("configuration") as scope, report.interrupts.during(scope.cancel):
        return _load(common, report, scope, is_again=False, is_updating=is_updating)


def _load(common: Common, report: Report, scope: Scope, *, is_again: bool, is_updating: bool) -> config_load.Loaded:
    said, outside = common.preferences, common.outside
    context = _context(common)
    may_ask = not is_again and common.output is Output.text
    facts = Facts(common.command, _system(), outside.env, context)
    asked = said.profiles(common.profiles, context)
    sources = outside.sources(scope, common.variables, may_ask=may_ask)
    fetch = _fetcher(
        scope, lambda text: report.emit(events.Notice(message=text, is_answer=True)), is_updating=is_updating
    )
    is_asked = bool(common.profiles or said.stated.profile)
    loaded = config_load.load(
        config_load.find(common.file),
        asked,
        facts,
        sources,
        only=common.modules,
        fetch=fetch,
        may_lack=not is_asked,
    )
    outside.keep(loaded.secrets, loaded.exports)
    report.profiles = dict(loaded.active)
    if not is_again and common.command not in _ABOUT_THE_CLUSTER:
        for warning in loaded.warnings:
            report.emit(events.Notice(message=warning))
    written = loaded.project.cluster
    made = cluster(common, written)
    return replace(loaded, project=replace(loaded.project, cluster=made), settled=_settled(common, written, made))


def cluster(common: Common, written: Cluster) -> Cluster:
    """What a configuration says of the cluster, with what options, environment and settings say besides or instead."""
    made = common.preferences.cluster(written, common.context, _context(common))
    return replace(made, context=common.context or made.context, namespace=common.namespace or made.namespace)


def _settled(common: Common, written: Cluster, made: Cluster) -> dict[str, str]:
    """What of the cluster something else than the configuration says, and what that is."""
    stated, flags = common.preferences.stated, {"context": common.context, "namespace": common.namespace}
    found = {}
    for name in ("context", "namespace", "registry"):
        value = getattr(made, name)
        if value == getattr(written, name):
            continue
        if value == getattr(stated, name):
            found[f"cluster.{name}"] = f"{settings.variable(name)} of the environment"
        else:
            found[f"cluster.{name}"] = f"--{name}" if flags.get(name) else f"your settings, {preferences.file()}"
    return found


def _context(common: Common) -> Callable[[], str]:
    @cache
    def ask() -> str:
        from devloop.effects import kubeconfig

        return common.context or common.preferences.general.context or kubeconfig.current()

    return ask


def _system() -> str:
    return {"win32": "windows"}.get(sys.platform, sys.platform)


def _fetcher(scope: Scope, on_fetch: Callable[[str], None], *, is_updating: bool) -> Fetch:
    """What gets repositories of git into the user's cache folder; git is not started unless one has to be fetched."""

    @cache
    def checkouts() -> Checkouts:
        from devloop.effects.git import Checkouts
        from devloop.effects.process import RealProcesses

        return Checkouts(cache_folder() / "modules", RealProcesses(), on_fetch, is_updating=is_updating)

    return lambda url, ref: checkouts().get(scope, url, ref)
