"""What helm remembers of a release, as it keeps it in the cluster: one Secret a revision.

Comes in: a release's name and namespace, or a project's inventory. Goes out: revisions, and the releases that are the project's. Read
through the API server, for that costs a request where `helm list` costs a program's start. It writes nothing.
Format: https://helm.sh/docs/topics/kubernetes_apis/, https://helm.sh/docs/topics/advanced/#storage-backends
"""

from __future__ import annotations

import base64
import gzip
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass

from devloop.deploy import marks, parallel
from devloop.deploy.inventory import Contents, Inventory
from devloop.errors import StepFailed, UsageError
from devloop.products import Object
from devloop.scope import Scope
from devloop.stages import Cluster

# Labels of a revision's Secret. Helm gives a revision those of the one before, or of the one that it goes back to.
RELEASE_OF = "devloop.dev/release-of"  # the ApplySet that the release is part of
UNIT = "devloop.dev/release-unit"
SIGNATURE = (
    "devloop "  # begins the description of a revision that devloop made; what follows stands for what it was made from
)
SECRETS = ("v1", "Secret")


@dataclass(frozen=True)
class Release:
    """A release that is, or is to be, a unit's."""

    unit: str
    name: str
    namespace: str

    def __str__(self) -> str:
        return f"release {self.name}"


@dataclass(frozen=True)
class Revision:
    """One state of a release. `status`: helm's word. `at`: when it was begun, in RFC 3339. `manifest`: its objects as YAML."""

    number: int
    status: str
    description: str
    at: str
    manifest: str
    chart_name: str = ""
    chart_version: str = ""

    @property
    def chart(self) -> str:
        """As `helm list` shows it."""
        return f"{self.chart_name}-{self.chart_version}".strip("-")

    @property
    def made_from(self) -> str:
        """The digest of what devloop made it from; "" when it was not devloop."""
        return self.description.removeprefix(SIGNATURE) if self.description.startswith(SIGNATURE) else ""

    @property
    def is_pending(self) -> bool:
        return self.status.startswith("pending-") or self.status == "uninstalling"


def revisions(scope: Scope, cluster: Cluster, release: Release) -> list[Revision]:
    """The release's revisions, oldest first; none when it is not installed. Blocks.

    Raises: UsageError when helm is told to keep releases elsewhere than in Secrets; ApiRefusal, Unavailable.
    """
    driver = os.environ.get("HELM_DRIVER", "")
    if driver not in ("", "secret", "secrets"):
        raise UsageError(f"releases are kept by HELM_DRIVER={driver}", hint="devloop reads those in Secrets: unset it")
    labels = f"owner=helm,name={release.name}"
    found = cluster.list(scope, *SECRETS, namespace=release.namespace, labels=labels)
    numbered = sorted((_revision(each) for each in found), key=lambda each: each.number)
    return [] if numbered and numbered[-1].status == "uninstalled" else numbered


def owned(scope: Scope, cluster: Cluster, inventory: Inventory, contents: Contents) -> tuple[Release, ...]:
    """The releases of a project. `contents`: what its inventory says. Blocks. Raises: ApiRefusal, Unavailable."""
    if SECRETS not in contents.kinds:
        return ()
    labels = f"owner=helm,{RELEASE_OF}={inventory.applyset},status!=uninstalled"
    spaces = sorted(contents.namespaces)

    def look(scope: Scope, space: str) -> Iterable[Object]:
        return cluster.list(scope, *SECRETS, namespace=space, labels=labels)

    listed = [each for some in parallel.each(scope, "list", spaces, look) for each in some]
    newest = sorted(listed, key=lambda each: int(marks.label(each, "version") or 0))
    units = {(each["metadata"]["namespace"], marks.label(each, "name")): marks.label(each, UNIT) for each in newest}
    return tuple(Release(unit, name, space) for (space, name), unit in sorted(units.items()))


def _revision(secret: Object) -> Revision:
    name = secret["metadata"]["name"]
    try:
        packed = base64.b64decode(base64.b64decode(secret["data"]["release"]))
        release = json.loads(gzip.decompress(packed) if packed[:2] == b"\x1f\x8b" else packed)
        info, chart = release["info"], (release.get("chart") or {}).get("metadata") or {}
        return Revision(
            int(release["version"]),
            str(info["status"]),
            str(info.get("description", "")),
            str(info.get("last_deployed", "")),
            str(release.get("manifest", "")),
            str(chart.get("name", "")),
            str(chart.get("version", "")),
        )
    except (KeyError, TypeError, ValueError, OSError, EOFError) as exc:
        raise StepFailed(f"secret/{name} holds no release as helm writes it: {exc}") from exc
