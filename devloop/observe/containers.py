"""What is wrong with a pod, read from its status alone.

Comes in: a pod as the API server holds it, and the warnings about it. Goes out: a `Finding` (what failed, in words, and what to do),
or what the pod is waiting for. Pure: no clock, no cluster. Reasons are the kubelet's (pkg/kubelet/images/types.go,
pkg/kubelet/container/sync_result.go).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from devloop.products import Object

CRASH_LOOP = "CrashLoopBackOff"

# What the kubelet tries again by itself and may succeed at a moment later, when a neighbour's object has arrived.
GRACE_S = 5.0
# The kubelet comes back to a pod that cannot be started after 10 to 15 s; only then has it seen what was changed around it.
GRACE_AFTER_CHANGE_S = 20.0

_PULL = {
    "ErrImagePull": "cannot be pulled",
    "ImagePullBackOff": "cannot be pulled",
    "RegistryUnavailable": "cannot be pulled: its registry does not answer",
    "SignatureValidationFailed": "cannot be pulled: its signature is not valid",
    "ImageInspectError": "cannot be read by the node",
    "ErrImageNeverPull": "is not on the node, and its imagePullPolicy is Never",
    "InvalidImageName": "has no valid name",
}
_PULL_HINT = "is the image's name right? One that no artifact of the project builds has to be in a registry that the node reaches"
# An image that was put on the nodes is asked of a registry by a node that lacks it, and by a kubelet that pulled the same image
# under another name before (KEP-2535).
_LOADED = re.compile(r"[^@]+:[0-9a-f]{16}")
_LOADED_HINT = (
    "it was put on the nodes that there were: run devloop again if one joined or removed it, as one with a full disk does (see "
    "`devloop doctor`); "
    "if the same image was pulled from a registry before, change any of its files"
)
_PULL_HINTS = {
    "InvalidImageName": "write it as registry/name:tag, in lower case",
    "ErrImageNeverPull": "load it onto the node, or take imagePullPolicy: Never away",
}
_START = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "PreCreateHookError",
        "PreStartHookError",
        "PostStartHookError",
    }
)
_START_HINTS = {
    "CreateContainerConfigError": "add what is missing to what is deployed, or correct its name in the manifest",
    "RunContainerError": "check `command` and `args` of the container, and the image's ENTRYPOINT",
    "PostStartHookError": "check the container's lifecycle.postStart",
}
_NEVER_STARTED = frozenset({"StartError", "ContainerCannotRun"})
_MOUNT = frozenset({"FailedMount", "FailedAttachVolume", "FailedMapVolume"})


@dataclass(frozen=True)
class Finding:
    """What is wrong. `grace_s`: how long it has to last before it counts. `has_log`: the container ran, so its log tells more."""

    message: str
    reason: str
    hint: str = ""
    container: str = ""
    pod: str = ""
    detail: str = ""
    grace_s: float = 0.0
    has_log: bool = False


def is_ready(pod: Object) -> bool:
    """Whether the pod serves: Ready and not on its way out."""
    return "deletionTimestamp" not in pod["metadata"] and bool(_condition(pod, "Ready").get("status") == "True")


def failure(pod: Object, warnings: Sequence[Object] = (), since: str = "") -> Finding | None:
    """What keeps the pod from ever becoming ready, or None.

    `warnings`: Warning events of the pod's namespace. `since`: when what the pod depends on was changed though the pod was not
    (RFC 3339); what it died of earlier says nothing then.
    """
    for status, spec, is_init in _containers(pod):
        found = _container_failure(pod, status, spec, is_init=is_init, since=since)
        if found is not None:
            return replace(found, container=status["name"], pod=pod["metadata"]["name"])
    return _mount_failure(pod, warnings, since)


def waiting(pod: Object) -> str:
    """What the pod is waiting for, in words; "" when for nothing."""
    name = pod["metadata"]["name"]
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return f"pod {name} cannot be scheduled: {_first_sentence(scheduled.get('message', ''))}"
    for status, _, is_init in _containers(pod):
        state = status.get("state", {})
        what = _label(status["name"], is_init)
        ended = state.get("terminated")
        if is_init and ended and ended.get("exitCode") == 0:
            continue
        if CRASH_LOOP in state.get("waiting", {}).get("reason", "") or (ended and not status.get("ready")):
            ended = ended or status.get("lastState", {}).get("terminated", {})
            return f"{what} of pod {name} ended (exit {ended.get('exitCode', '?')}) and is started again"
        if "running" in state and is_init and not _is_sidecar(pod, status["name"]):
            return f"{what} of pod {name} is running"
        if "running" in state and not status.get("ready") and not is_init:
            return f"{what} of pod {name} is running, not ready yet"
        reason = state.get("waiting", {}).get("reason", "")
        if reason and reason != "PodInitializing":
            return f"{what} of pod {name} is being started ({reason})"
    gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates", [])]
    unmet = [gate for gate in gates if _condition(pod, gate).get("status") != "True"]
    if unmet:
        return f"pod {name} waits for its readiness gate {unmet[0]}"
    return ""


def unproven(pod: Object) -> list[tuple[str, str]]:
    """Container ids, and when they started (RFC 3339), of those that count as ready just because they run: they have no probe."""
    found = []
    for status, spec, is_init in _containers(pod):
        started_at = status.get("state", {}).get("running", {}).get("startedAt")
        if started_at and not is_init and not spec.get("readinessProbe") and not spec.get("startupProbe"):
            found.append((str(status.get("containerID", "")), str(started_at)))
    return found


def unready(pod: Object) -> str:
    """The first container that runs or ran, and keeps the pod from being ready; "" when there is none."""
    for status, _, is_init in _containers(pod):
        ended = status.get("state", {}).get("terminated")
        is_done = is_init and bool(ended) and ended.get("exitCode") == 0
        if status.get("containerID") and not status.get("ready") and not is_done:
            return str(status["name"])
    return ""


def is_image_current(pod: Object) -> bool:
    """False while a container provably still runs another tag of the image than its pod asks for (a patched pod)."""
    statuses: Iterable[Mapping[str, Any]] = pod.get("status", {}).get("containerStatuses") or []
    return not _differ(pod["spec"].get("containers", []), statuses)


def runs_other_tag(template: Iterable[Mapping[str, Any]], pod: Object) -> bool:
    """Whether a container of the pod provably asks for another tag of its image than the template's containers do."""
    return _differ(template, pod["spec"].get("containers", []))


def _differ(wanted: Iterable[Mapping[str, Any]], found: Iterable[Mapping[str, Any]]) -> bool:
    images = {each["name"]: each.get("image", "") for each in wanted}
    return any(_is_other_tag(images.get(each["name"], ""), each.get("image", "")) for each in found)


def _container_failure(
    pod: Object, status: Mapping[str, Any], spec: Mapping[str, Any], *, is_init: bool, since: str
) -> Finding | None:
    name, state = status["name"], status.get("state", {})
    what = _label(name, is_init)
    wait = state.get("waiting", {})
    reason, text = wait.get("reason", ""), wait.get("message", "")
    image = spec.get("image") or status.get("image", "")
    if reason in _PULL:
        hint = _PULL_HINTS.get(reason, _LOADED_HINT if _LOADED.fullmatch(image) else _PULL_HINT)
        return Finding(f"image {image} {_PULL[reason]}", reason, hint, detail=text)
    if reason in _START:
        grace_s = GRACE_AFTER_CHANGE_S if since else GRACE_S
        message = f"{what} cannot be started: {_last_clause(text) or reason}"
        return Finding(message, reason, _START_HINTS.get(reason, ""), detail=text, grace_s=grace_s)
    ended = status.get("lastState", {}).get("terminated") if reason == CRASH_LOOP else state.get("terminated")
    if not ended:
        return None
    has_to_run = not is_init or _is_sidecar(pod, name)
    if not _is_fatal(pod, status, ended, has_to_run=has_to_run, is_loop=reason == CRASH_LOOP):
        return None
    if since and _is_before(ended.get("finishedAt", ""), since):
        return None
    return _ended(what, status, spec, ended)


def _is_fatal(
    pod: Object, status: Mapping[str, Any], ended: Mapping[str, Any], *, has_to_run: bool, is_loop: bool
) -> bool:
    """The first restart comes at once, the next ones after 10 s and more: dying twice at start is enough to say so."""
    code = ended.get("exitCode", 0)
    if code == 0 and not has_to_run:
        return False
    policy = pod["spec"].get("restartPolicy", "Always")
    if policy == "Never" or (policy == "OnFailure" and code == 0):
        return bool(code != 0)
    if is_loop or ended.get("reason") in _NEVER_STARTED | {"OOMKilled"}:
        return True
    return bool(status.get("restartCount", 0) >= 1)


def _ended(what: str, status: Mapping[str, Any], spec: Mapping[str, Any], ended: Mapping[str, Any]) -> Finding:
    code, reason = ended.get("exitCode", 0), ended.get("reason", "Error")
    text = (ended.get("message") or "").strip()
    if reason in _NEVER_STARTED:
        message = f"{what} cannot be started: {_last_clause(text)}"
        return Finding(message, reason, _START_HINTS["RunContainerError"], detail=text)
    if reason == "OOMKilled":
        limit = spec.get("resources", {}).get("limits", {}).get("memory", "")
        message = f"{what} ran out of memory" + (f" (limit {limit})" if limit else "")
        return Finding(message, reason, "raise its resources.limits.memory", has_log=True, detail=text)
    if code == 0:
        message = f"{what} ended (exit 0), but has to keep running"
        hint = "keep its main process in the foreground; work that ends is a Job"
        return Finding(message, "Completed", hint, has_log=True)
    ran_s = _seconds_between(ended.get("startedAt", ""), ended.get("finishedAt", ""))
    when = "at start" if ran_s is None or ran_s <= 10 else f"after {ran_s} s"
    restarts = status.get("restartCount", 0)
    often = f", {restarts} restarts" if restarts > 2 else ""
    hint = (
        _signal_hint(code) or "its log says why; if it needs another unit to be ready first, name that one in `needs`"
    )
    message = f"{what} crashed {when} (exit {code}{often})"
    return Finding(message, reason, hint, has_log=True, detail=text)


def _signal_hint(code: int) -> str:
    return {
        126: "its command is not executable: check `command`, and the file's mode in the image",
        127: "its command was not found: check `command` and the image's PATH",
        139: "it died of a segmentation fault; was the image built for the node's architecture?",
        137: "it was killed from outside: look at its memory limit and its liveness or startup probe",
    }.get(code, "")


def _mount_failure(pod: Object, warnings: Sequence[Object], since: str) -> Finding | None:
    """A volume that cannot be mounted shows in events only; the pod just says ContainerCreating."""
    statuses = [status for status, _, _ in _containers(pod)]
    if not statuses or any(each.get("containerID") for each in statuses):
        return None
    uid = pod["metadata"].get("uid")
    for event in warnings:
        if event.get("reason") in _MOUNT and event.get("involvedObject", {}).get("uid") == uid:
            text = event.get("message", "")
            grace_s = GRACE_AFTER_CHANGE_S if since else GRACE_S
            hint = "add what is missing to what is deployed, or correct the volume in the manifest"
            quoted, _, cause = _last_clause(text).partition(" : ")
            volume = quoted.strip('"')
            message = f"volume {volume} cannot be mounted: {cause}" if cause else text
            return Finding(message, event["reason"], hint, pod=pod["metadata"]["name"], detail=text, grace_s=grace_s)
    return None


def _containers(pod: Object) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any], bool]]:
    """Status, spec and whether it is an init container, in the order in which they start."""
    status = pod.get("status", {})
    for kind, key, is_init in (
        ("initContainers", "initContainerStatuses", True),
        ("containers", "containerStatuses", False),
    ):
        specs = {each["name"]: each for each in pod["spec"].get(kind) or []}
        found = {each["name"]: each for each in status.get(key) or []}
        for name, spec in specs.items():
            if name in found:
                yield found[name], spec, is_init


def _is_sidecar(pod: Object, name: str) -> bool:
    inits: Iterable[Mapping[str, Any]] = pod["spec"].get("initContainers") or []
    return any(each["name"] == name and each.get("restartPolicy") == "Always" for each in inits)


def _condition(obj: Object, kind: str) -> Mapping[str, Any]:
    conditions: Iterable[Mapping[str, Any]] = obj.get("status", {}).get("conditions") or []
    return next((each for each in conditions if each.get("type") == kind), {})


def _label(name: str, is_init: bool) -> str:
    return f"init container {name}" if is_init else f"container {name}"


def _last_clause(text: str) -> str:
    """The innermost cause of a chain of errors: the runtime's last words, without its ancestors'."""
    line = " ".join(text.split())
    for mark in ("unable to start container process: ", "SetUp failed for volume "):
        _, found, rest = line.partition(mark)
        if found:
            return rest.removesuffix(": unknown")
    return line


def _first_sentence(text: str) -> str:
    return text.split(". ", 1)[0].rstrip(".")


def _is_other_tag(wanted: str, running: str) -> bool:
    if not wanted or not running or "@" in wanted or "@" in running:
        return False
    name, _, tag = wanted.rpartition(":")
    other_name, _, other_tag = running.rpartition(":")
    if not name or not other_name or "/" in tag or "/" in other_tag:
        return False
    return (other_name == name or other_name.endswith(f"/{name}")) and tag != other_tag


def _is_before(earlier: str, later: str) -> bool:
    seconds = _seconds_between(earlier, later)
    return seconds is not None and seconds > 0


def _seconds_between(start: str, end: str) -> int | None:
    try:
        return int((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds())
    except ValueError:
        return None
