"""The readable tag that an image gets besides the one that says what it was made from.

Comes in: the tag policy and the folder of the project. Goes out: a tag. It decides nothing about what is built or deployed: manifests and
caches go by the digest of the inputs, so that a readable tag that moves never lies to anybody.
"""

from __future__ import annotations

import datetime
import os
import re
import zoneinfo
from collections.abc import Mapping
from pathlib import Path

from devloop import readable_tags
from devloop.config import model
from devloop.errors import StepFailed
from devloop.scope import Scope
from devloop.stages import Processes

_WHERE = "build.tagPolicy"
_GIT = {
    "Tags": ("describe", "--tags", "--always"),
    "CommitSha": ("rev-list", "-1", "HEAD"),
    "AbbrevCommitSha": ("rev-list", "-1", "HEAD", "--abbrev-commit"),
    "TreeSha": ("rev-parse", "HEAD^{tree}"),
    "AbbrevTreeSha": ("rev-parse", "--short", "HEAD^{tree}"),
    "Branches": ("rev-parse", "--abbrev-ref", "HEAD"),
}


def readable(scope: Scope, policy: model.TagPolicy, base: Path, processes: Processes) -> str:
    """The tag of now. Blocks on git, where the policy asks it; cancelled by the scope.

    Raises: StepFailed when it cannot be told (no repository, a variable that is not set), or would be no tag.
    """
    tag = _of_template(scope, policy.custom_template, base, processes) or _part(scope, policy, base, processes)
    if readable_tags.is_digest(tag):
        raise StepFailed(f"{tag} could be taken for a digest of inputs", where=_WHERE, hint=readable_tags.DIGEST_HINT)
    if not readable_tags.is_tag(tag):
        raise StepFailed(f"{tag!r} is no tag of an image", where=_WHERE, hint=readable_tags.TAG_HINT)
    return tag


def _of_template(scope: Scope, policy: model.CustomTemplate | None, base: Path, processes: Processes) -> str:
    if policy is None:
        return ""
    wanted = set(map(readable_tags.name_of, readable_tags.placeholders(policy.template)))
    parts = {each.name: _part(scope, each, base, processes) for each in policy.components if each.name in wanted}
    return _filled(policy.template, parts, "no component is called {}")


def _part(scope: Scope, policy: model.TagPolicy | model.TagComponent, base: Path, processes: Processes) -> str:
    if policy.git_commit is not None:
        return _of_git(scope, policy.git_commit, base, processes)
    if policy.date_time is not None:
        return _of_time(policy.date_time)
    if policy.env_template is not None:
        return _filled(policy.env_template.template, os.environ, "the environment variable {} is not set")
    return policy.fixed or ""


def _filled(template: str, values: Mapping[str, str], missing: str) -> str:
    """The template with its values, as in Go: `{{.NAME}}`."""

    def value(match: re.Match[str]) -> str:
        name = readable_tags.name_of(match[1])
        if name is None:
            raise StepFailed(f"{match[0]} is not understood", where=_WHERE, hint="only `{{.NAME}}` is")
        if name not in values:
            raise StepFailed(missing.format(name), where=_WHERE, hint=f"the template is {template!r}")
        return values[name]

    return readable_tags.PLACEHOLDER.sub(value, template)


def _of_time(policy: model.DateTime) -> str:
    try:
        zone = None if policy.timezone == "Local" else zoneinfo.ZoneInfo(policy.timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError) as exc:
        raise StepFailed(
            f"there is no time zone {policy.timezone!r}", where=_WHERE, hint="such as UTC, Local or Europe/Berlin"
        ) from exc
    return datetime.datetime.now(zone).strftime(policy.format)


def _of_git(scope: Scope, policy: model.GitCommit, base: Path, processes: Processes) -> str:
    def git(*words: str) -> str:
        done = processes.run(scope, ["git", *words], cwd=base, check=False)
        if done.code != 0:
            raise StepFailed(
                "git does not say which commit this is",
                where=_WHERE,
                hint="the project has to lie in a git repository with a commit; or choose another tag policy",
                evidence=done.tail,
            )
        return done.stdout.strip()

    tag = f"{policy.prefix}{git(*_GIT[policy.variant]).replace('/', '-')}"
    is_dirty = not policy.ignore_changes and git("status", "--porcelain", "--", ".") != ""
    return f"{tag}-dirty" if is_dirty else tag
