"""What an apply would change now, told by the server that would change it.

Comes in: a unit's manifests with their images filled in. Goes out: each object that would be made, changed, taken over, made anew or
deleted, as it is and as it would be. The server is asked by dry runs, so its own rules, quotas and webhooks have their say. It never
writes, and never lets a Secret's values out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from devloop.deploy import apply, fields, marks, parallel, plan, prune, recreate, refusals, sharing
from devloop.deploy.plan import Consent, Job, Owner, Planned
from devloop.errors import StepFailed
from devloop.products import Manifest, Object, ObjectRef
from devloop.scope import Scope
from devloop.stages import ApiRefusal, Cluster

Action = Literal["create", "change", "adopt", "recreate", "delete", "install", "upgrade", "uninstall"]
MASK = "***"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"  # the whole object once more, a Secret's values too
_SECRET_FIELDS = ("data", "stringData")
# By what the server tells the items of its lists apart.
_KEYS = ("name", "key", "containerPort", "port", "mountPath", "devicePath", "topologyKey", "ip", "uid", "type")


@dataclass(frozen=True)
class Difference:
    """An object that an apply would change. `before`, `after`: without what only the server sets, secrets masked; None: not there.

    `base`: what `before` is of.
    """

    ref: ObjectRef
    action: Action
    source: str
    why: str
    before: Object | None
    after: Object | None
    base: str = "live"


@dataclass(frozen=True)
class Differences:
    """`same`: how many objects would stay as they are. `kept`: what is rendered no longer and would stay all the same, and why.
    `refused`: what the server would not take, or other managers dispute. `left`: what would stay as they set it, in words.
    """

    found: tuple[Difference, ...] = ()
    same: int = 0
    kept: tuple[tuple[ObjectRef, str], ...] = ()
    refused: tuple[refusals.Refusal, ...] = ()
    left: tuple[str, ...] = ()


def differences(
    scope: Scope,
    cluster: Cluster,
    *,
    owner: Owner,
    namespace: str,
    manifests: Sequence[Manifest],
    others: Sequence[Manifest] = (),
    consent: Consent = Consent(),  # noqa: B008 - frozen
) -> Differences:
    """What applying the manifests would change. `others`: manifests of units that would be applied before. `consent`: see apply.

    Blocks, cancelled by the scope. Raises: StepFailed for what would end an apply before its first write; Unavailable.
    """
    job = apply.looking(cluster, owner, namespace, consent)
    prepared = plan.prepare(scope, job, manifests, (), others)
    due = [each for each in prepared.planned if each.is_due]
    compare = _Compare(job, _coming(scope, cluster, manifests, others))
    told = parallel.each(scope, "compare", due, compare)
    found = [each.difference for each in told if isinstance(each, _Told) and each.difference]
    refused = [each for each in told if isinstance(each, refusals.Refusal)]
    going, staying = prune.split(prepared.stale)
    return Differences(
        (*found, *map(_deleted, going)),
        len(prepared.planned) - len(found) - len(refused),
        tuple((marks.ref_of(live), why) for live, why in staying),
        tuple(refused),
        tuple(each.left for each in told if isinstance(each, _Told) and each.left),
    )


def change(before: Object, after: Object, sent: Object, *, why: str, source: str = "") -> Difference | None:
    """The difference between a live object and what a dry run of `sent` made of it; None when there is none to be seen. Pure."""
    was, now = _compared(before, after, sent)
    if was == now:
        return None
    return Difference(marks.ref_of(before), "change", source, why, *masked(was, now))


def plain(obj: Object) -> Object:
    """The object as people write it: without marks, status and what only the server sets. Pure."""
    bare = marks.unmarked({**obj, "metadata": marks.authored(obj["metadata"])})
    annotations = dict(bare["metadata"].pop("annotations", {}))
    annotations.pop(_LAST_APPLIED, None)
    if annotations:
        bare["metadata"]["annotations"] = annotations
    rest = {name: value for name, value in bare.items() if name not in ("apiVersion", "kind", "metadata", "status")}
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": bare["metadata"], **rest}


@dataclass(frozen=True)
class _Told:
    """`left`: what would stay as others set it."""

    difference: Difference | None
    left: str = ""


@dataclass(frozen=True)
class _Compare:
    """Asks the server what it would make of an object. `coming`: namespaces that are not there yet, and would be by then."""

    job: Job
    coming: frozenset[str]

    def __call__(self, scope: Scope, planned: Planned) -> _Told | refusals.Refusal:
        try:
            return self._told(scope, planned)
        except sharing.Disputed as exc:
            return exc.refusal
        except ApiRefusal as exc:
            return refusals.refusal(planned.wanted.ref, planned.wanted.source, planned.body, exc)

    def _told(self, scope: Scope, planned: Planned) -> _Told:
        live, body = planned.live, planned.body
        if live is not None and live["metadata"].get("deletionTimestamp"):
            return _Told(_difference(planned, "create", "is being deleted now", None, plain(body)))
        try:
            done = self._asked(scope, planned)
        except ApiRefusal as exc:
            if live is None or not refusals.is_unchangeable(exc):
                raise
            sharing.check_recreate(self.job, planned, live, exc)
            return _Told(_difference(planned, "recreate", recreate.reason(exc), _authored(live), plain(body)))
        if live is None:
            return _Told(_difference(planned, "create", planned.why, None, plain(body)))
        taken = f"takes over fields: {done.taken}" if done.taken else ""
        was, now = _compared(live, done.object, done.sent)
        left = f"{planned.wanted.ref} {done.left}" if done.left else ""
        if marks.label(live, marks.PART_OF) != self.job.inventory.applyset:
            why = "; ".join(filter(None, ("was there before devloop", taken)))
            return _Told(_difference(planned, "adopt", why, was, now), left)
        if was == now and not taken:
            return _Told(None, left)
        why = "; ".join(filter(None, (planned.why, taken)))
        return _Told(_difference(planned, "change", why, was, now), left)

    def _asked(self, scope: Scope, planned: Planned) -> sharing.Shared:
        """What the server would make of it; the object itself where the server cannot know its kind or namespace yet."""
        ref = planned.wanted.ref
        if ref.namespace in self.coming or self.job.cluster.resource(scope, ref.api_version, ref.kind) is None:
            return sharing.Shared(planned.body, planned.body)
        return sharing.share(scope, self.job, planned, planned.live, is_dry_run=True)


def _difference(planned: Planned, action: Action, why: str, before: Object | None, after: Object | None) -> Difference:
    return Difference(planned.wanted.ref, action, planned.wanted.source, why, *masked(before, after))


def _compared(before: Object, after: Object, sent: Object) -> tuple[Object, Object]:
    return plain(before), plain(_without_defaults(after, sent, before))


def _coming(
    scope: Scope, cluster: Cluster, manifests: Sequence[Manifest], others: Sequence[Manifest]
) -> frozenset[str]:
    made = {
        str(each.object["metadata"]["name"])
        for each in (*manifests, *others)
        if (each.object["apiVersion"], each.object["kind"]) == ("v1", "Namespace")
    }
    names = sorted(made)
    get = partial(_namespace, cluster)
    try:
        lives = parallel.each(scope, "get", names, get)
    except ApiRefusal as exc:
        raise StepFailed(f"the cluster refused to tell which namespaces there are: {exc.message}") from exc
    return frozenset(name for name, live in zip(names, lives, strict=True) if live is None)


def _namespace(cluster: Cluster, scope: Scope, name: str) -> Object | None:
    return cluster.get(scope, ObjectRef("v1", "Namespace", "", name))


def _deleted(live: Object) -> Difference:
    source = marks.annotation(live, marks.SOURCE)
    before, _ = masked(_authored(live), None)
    return Difference(marks.ref_of(live), "delete", source, "is rendered no longer", before, None)


def _authored(live: Object) -> Object:
    """The object as it was once applied, as far as that can be told: without the server's defaults."""
    return plain(fields.owned(live) or live)


def _without_defaults(after: Any, sent: Any, live: Any) -> Any:
    """`after` without what the server added by itself: what was neither sent, nor there before."""
    if isinstance(after, Mapping):
        asked = sent if isinstance(sent, Mapping) else {}
        had = live if isinstance(live, Mapping) else {}
        return {
            name: _without_defaults(value, asked.get(name), had.get(name))
            for name, value in after.items()
            if name in asked or name in had
        }
    if isinstance(after, list):
        return [_item(each, _match(each, sent), _match(each, live)) for each in after]
    return after


def _item(after: Any, sent: Any, live: Any) -> Any:
    return after if sent is None and live is None else _without_defaults(after, sent, live)


def _match(item: Any, items: Any) -> Any:
    """The item of the other list that is meant by this one."""
    if not isinstance(items, list) or not isinstance(item, Mapping):
        return None
    key = next((name for name in _KEYS if name in item), "")
    same = (each for each in items if isinstance(each, Mapping) and key in each and each[key] == item[key])
    return next(same, None) if item not in items else item


def masked(before: Object | None, after: Object | None) -> tuple[Object | None, Object | None]:
    """Both, without any value of a Secret: where one changes, only that it does is left."""
    return _mask(before, after, "before"), _mask(after, before, "after")


def _mask(obj: Object | None, other: Object | None, when: str) -> Object | None:
    if obj is None or obj["kind"] != "Secret":
        return obj
    made = dict(obj)
    for field in _SECRET_FIELDS:
        if field in obj:
            made[field] = _mask_values(obj[field], (other or {}).get(field), when)
    return made


def _mask_values(values: Any, others: Any, when: str) -> Any:
    """kubectl's words: `***` for what stays or has no counterpart, `*** (before)` and `*** (after)` for what changes."""
    if not isinstance(values, Mapping):
        return MASK
    known = others if isinstance(others, Mapping) else {}
    return {
        name: f"{MASK} ({when})" if name in known and known[name] != value else MASK for name, value in values.items()
    }
