"""A cluster's node that is a container of our engine: asking its containerd what it has, and giving it images.

Comes in: the node's container. Goes out: the node's answer, or the error with the command. Everything goes through
`docker exec`, several questions in one, because each costs more than what is asked. It never leaves an image's name on the
node that did not arrive whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from devloop.errors import StepFailed
from devloop.scope import Scope
from devloop.stages import Completed, Container, Tools

# What is there counts, not who made the node: k3s keeps containerd's socket and configuration elsewhere, and may have ctr only as a
# word of its own.
_PRELUDE = """
for socket in /run/containerd/containerd.sock /run/k3s/containerd/containerd.sock; do
  [ ! -S "$socket" ] || break
done
tool=ctr
command -v ctr >/dev/null || tool='k3s ctr'
ctr() { command $tool --address "$socket" -n k8s.io "$@"; }
dump() { cat /var/lib/rancher/k3s/agent/etc/containerd/config.toml 2>/dev/null || containerd config dump; }
"""

# kind sets another snapshotter than the default on some file systems, and only in the configuration:
# https://github.com/kubernetes-sigs/kind/blob/main/pkg/cluster/nodeutils/util.go
_LOOK = """
ctr images ls -q name=="$1" || exit
echo --
snapshotter=$2
if [ -z "$snapshotter" ]; then
  config=$(dump) || exit
  snapshotter=$(printf '%s\\n' "$config" | sed -n "s/^ *snapshotter *= *[\\"']\\([a-z0-9.-]\\{1,\\}\\)[\\"'].*/\\1/p" | head -n 1)
fi
echo "${snapshotter:=overlayfs}"
echo --
ctr snapshots --snapshotter "$snapshotter" ls
"""

# An import that failed may leave the name behind (containerd 1.6 stores it before unpacking), and the kubelet would believe it. Where
# the image is there all the same, another session brought it meanwhile, and the name is theirs. The kubelet sees an image when
# containerd's CRI plugin has, which its label tells; it follows within milliseconds.
_LOAD = """
name=$1 snapshotter=$2 top=$3
is_unpacked() { [ -z "$top" ] || ctr snapshots --snapshotter "$snapshotter" info "$top" >/dev/null; }
is_there() { [ -n "$(ctr images ls -q name=="$name")" ] && is_unpacked && echo there; }
! is_there || exit 0
# The server's own way of importing unpacks for its default snapshotter only; the client's for any.
local=
if [ "$snapshotter" != overlayfs ] && ctr images import --help 2>&1 | grep -q -e --local; then local=--local; fi
if ctr images import $local --snapshotter "$snapshotter" - >&2 && is_unpacked; then
  for try in 1 2 3 4 5 6 7 8 9 10; do
    row=$(ctr images ls name=="$name")
    case $row in *io.cri-containerd.image=managed*) exit 0 ;; esac
    sleep 0.05
  done
  case $row in *"$name"*) exit 0 ;; esac
fi
! is_there || exit 0
ctr images rm "$name" >/dev/null 2>&1
exit 1
"""

# An image's manifest says which config it has, by which the kubelet knows it; an index of several platforms says none.
_LIST = """
images=$(ctr images ls) && containers=$(ctr containers ls) || exit
printf '%s\n--\n%s\n--\n' "$images" "$containers"
{ printf '%s\n' "$@"; printf '%s\n' "$containers" | awk 'NR > 1 { print $2 }'; } | sort -u | while read -r name; do
  printf '%s\n' "$images" | awk -v name="$name" '$1 == name { print $3 }'
done | sort -u | while read -r digest; do
  printf '%s %s\n' "$digest" "$(ctr content get "$digest" | tr -d '\n')"
done
"""

_USE = r"""
folder=/var/lib/rancher/k3s
[ -d "$folder" ] || folder=/var
df -Pk "$folder" | tail -n 1 || exit
echo --
sed -n 's/^imageGCHighThresholdPercent: *\([0-9]*\).*/\1/p' /var/lib/kubelet/config.yaml 2> /dev/null
echo --
ctr images ls -q
"""
# Of a kubelet that is not told otherwise (kubernetes.io/docs/concepts/architecture/garbage-collection); kind's are told 100, that is never.
_COLLECTED_PERCENT = 85

_FULL = "no space left on device"
_NOISE = re.compile(r"level=(warning|info|debug)|^unpacking |^\S+\s+saved|^application/")


class NodeFull(StepFailed):
    """There is no room on the node, for the whole of an image even less than for a part."""


@dataclass(frozen=True)
class NodeState:
    """What a node has: whether it knows the name, which snapshots (chain IDs) exist, and which snapshotter it uses."""

    has_name: bool
    snapshots: frozenset[str]
    snapshotter: str


@dataclass(frozen=True)
class NodeUse:
    """What is on a node: its images' full names, and how full the file system is that they are on.

    `total_bytes`: of the file system; part of it may be kept from everybody. `collected_percent`: how full it has to be for the kubelet to
    remove images that no pod runs.
    """

    images: tuple[str, ...]
    used_bytes: int
    free_bytes: int
    total_bytes: int
    collected_percent: int

    @property
    def is_collected(self) -> bool:
        """Whether the kubelet removes images that no pod runs, reckoned as it does (pkg/kubelet/images/image_gc_manager.go)."""
        full = 100 - self.free_bytes * 100 // self.total_bytes
        return self.collected_percent < 100 and full >= self.collected_percent


def look(scope: Scope, tools: Tools, node: Container, name: str, snapshotter: str = "") -> NodeState:
    """Asks the node for an image by its full name. `snapshotter`: "" when it is not known yet. Blocks; cancelled by the scope.

    Raises: StepFailed when the node does not answer.
    """
    done = _run(scope, tools, node, "look", script=_LOOK, arguments=(name, snapshotter))
    try:
        names, used, table = done.stdout.split("--\n")
    except ValueError as exc:
        raise StepFailed(f"node {node.name} gave an answer that is not understood", evidence=done.tail) from exc
    committed = (line.split() for line in table.splitlines())
    return NodeState(
        has_name=name in names.split(),
        snapshots=frozenset(words[0] for words in committed if words and words[-1] == "Committed"),
        snapshotter=used.strip(),
    )


def load(
    scope: Scope, tools: Tools, node: Container, *, name: str, snapshotter: str, top: str, archive: Iterator[bytes]
) -> bool:
    """Imports an archive and makes sure that the image is there and unpacked: `top` is its last layer's chain ID.

    False when the node had the image, and nothing was read. Blocks; cancelled by the scope.

    Raises: StepFailed, after the name is off the node again.
    """
    done = _run(scope, tools, node, "load", script=_LOAD, arguments=(name, snapshotter, top), stdin=archive)
    return "there" not in done.stdout.split()


def use(scope: Scope, tools: Tools, node: Container) -> NodeUse:
    """Asks the node what is on it. Blocks; cancelled by the scope. Raises: StepFailed when the node does not answer."""
    done = _run(scope, tools, node, "use", script=_USE, arguments=())
    try:
        disk, collected, images = done.stdout.split("--\n")
        _, total, used, free, *_ = disk.split()
        percent = int(collected.strip() or _COLLECTED_PERCENT)
        return NodeUse(tuple(images.split()), int(used) * 1024, int(free) * 1024, int(total) * 1024, percent)
    except ValueError as exc:
        raise StepFailed(f"node {node.name} gave an answer that is not understood", evidence=done.tail) from exc


def tidy(scope: Scope, tools: Tools, node: Container, names: Collection[str]) -> frozenset[str]:
    """Removes images by their full names; those that stay, for a container uses them. Blocks; cancelled by the scope.

    Raises: StepFailed when the node does not answer.
    """
    done = _run(scope, tools, node, "list", script=_LIST, arguments=tuple(names))
    images, containers, manifests = done.stdout.split("--\n")
    gone, used = removable(images, containers, manifests, names)
    if gone:
        _run(scope, tools, node, "remove", script='ctr images rm "$@"', arguments=gone)
    return used


def removable(
    images: str, containers: str, manifests: str, names: Collection[str]
) -> tuple[tuple[str, ...], frozenset[str]]:
    """Which names to remove to be rid of these, and which of these are in use, from the tables that ctr prints. Pure.

    `manifests`: a digest and its content a line. A container goes by any of the names of its image: all of them are in use.

    The CRI plugin keeps a second name, `sha256:…`, for each image: it goes with the last of the others, or nothing would be freed.
    """
    rows = [row.split() for row in images.splitlines()[1:]]
    targets = {row[0]: row[2] for row in rows if len(row) > 2}
    running = {row.split()[1] for row in containers.splitlines()[1:] if len(row.split()) > 1}
    configs = dict(map(_config, manifests.splitlines()))
    images_of = {name: configs.get(target, target) for name, target in targets.items()}
    in_use = {images_of[name] for name in running if name in images_of}
    used = frozenset(name for name in names if images_of.get(name) in in_use)
    gone = {name for name in names if name in targets} - used
    staying = {target for name, target in targets.items() if name not in gone and not name.startswith("sha256:")}
    freed = {targets[name] for name in gone} - staying
    seconds = {name for name, target in targets.items() if name.startswith("sha256:") and target in freed}
    return tuple(sorted(gone | seconds)), used


def _config(line: str) -> tuple[str, str]:
    """The digest of a manifest, and of its config; the former again where it has none."""
    digest, _, content = line.partition(" ")
    try:
        return digest, str(json.loads(content)["config"]["digest"])
    except (ValueError, KeyError, TypeError):
        return digest, digest


def _run(
    scope: Scope,
    tools: Tools,
    node: Container,
    what: str,
    *,
    script: str,
    arguments: tuple[str, ...],
    stdin: Iterator[bytes] | None = None,
) -> Completed:
    flags = ("-i",) if stdin is not None else ()
    argv = (*tools.engine.cli(), "exec", *flags, node.container_id, "sh", "-c", _PRELUDE + script, what, *arguments)
    done = tools.processes.run(scope, argv, env=tools.engine.environment(), stdin=stdin, check=False)
    if done.code != 0:
        said = tuple(line for line in done.tail if not _NOISE.search(line))
        if any(_FULL in line for line in said):
            raise NodeFull(
                f"the disk of node {node.name} is full",
                hint=f"`docker exec {node.name} crictl rmi --prune` removes the images that no pod uses; "
                f"`docker system df` shows what else takes the room",
                where=f"node/{node.name}",
                evidence=said,
            )
        raise StepFailed(
            f"node {node.name} did not {what} the image",
            hint=f"is the node running? try `docker exec {node.name} ctr images ls`",
            where=f"node/{node.name}",
            evidence=said or done.tail,
        )
    return done
