"""Services of a compose file as Kubernetes objects.

Comes in: a composition, and the image of each service. Goes out: a text of manifests for each service, and what is lost on the way. A
service keeps its name as a Service, so that others find it where they look for it. Pure but for reading the files that it mounts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from devloop.config.names import number, to_label, without_tag
from devloop.render.manifests import to_yaml
from devloop.setup.compose.records import Composition, Port, Service, Volume, object_name
from devloop.setup.walk import Tree

# What images that many use listen on; compose needs no ports between services.
_KNOWN_PORTS: Mapping[str, int] = {
    "postgres": 5432,
    "redis": 6379,
    "valkey": 6379,
    "mysql": 3306,
    "mariadb": 3306,
    "mongo": 27017,
    "rabbitmq": 5672,
    "memcached": 11211,
    "nginx": 80,
    "nats": 4222,
    "elasticsearch": 9200,
}
_MOST_BYTES = 500_000


def manifests(tree: Tree, found: Composition, images: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Service name → its manifests, and what is lost. `images`: for services that are built."""
    texts: dict[str, str] = {}
    lost: list[str] = []
    claims: set[str] = set()
    for each in found.services:
        writer = _Writer(tree, each, images.get(each.name) or each.image, claims)
        objects = list(writer.objects())
        texts[object_name(each.name)] = f"# From {found.file}, service {each.name}.\n" + to_yaml(objects)
        lost += writer.lost
    return texts, tuple(lost)


def ports(service: Service) -> tuple[Port, ...]:
    """The service's ports, each once; those of an image that is known, when it names none."""
    found = {(each.number, each.protocol): each for each in reversed(service.ports)}
    if not found and not service.context:
        word = without_tag(service.image).rpartition("/")[2]
        number = _KNOWN_PORTS.get(word)
        return (Port(number),) if number else ()
    return tuple(reversed(found.values()))


class _Writer:
    """Writes the objects of one service."""

    def __init__(self, tree: Tree, service: Service, image: str, claims: set[str]) -> None:
        self.lost: list[str] = []
        self._tree = tree
        self._service = service
        self._image = image
        self._claims = claims  # written already, by an earlier service
        self._name = object_name(service.name)
        self._mounts: list[dict[str, Any]] = []
        self._volumes: list[dict[str, Any]] = []
        self._extra: list[dict[str, Any]] = []

    def objects(self) -> Iterator[dict[str, Any]]:
        for index, each in enumerate(self._service.volumes):
            self._volume(index, each)
        yield from self._extra
        yield self._deployment()
        yield self._cluster_service()

    def _deployment(self) -> dict[str, Any]:
        labels = {"app": self._name}
        has_claim = any("persistentVolumeClaim" in each for each in self._volumes)
        pod: dict[str, Any] = {"enableServiceLinks": False, "containers": [self._container()]}
        if self._volumes:
            pod["volumes"] = self._volumes
        spec: dict[str, Any] = {"replicas": self._service.replicas, "selector": {"matchLabels": labels}}
        if has_claim:
            spec["strategy"] = {"type": "Recreate"}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": self._name},
            "spec": {**spec, "template": {"metadata": {"labels": labels}, "spec": pod}},
        }

    def _container(self) -> dict[str, Any]:
        each = self._service
        resources = {key: dict(value) for key, value in (("limits", each.limits), ("requests", each.requests)) if value}
        found: dict[str, Any] = {
            "name": self._name,
            "image": self._image,
            "command": list(each.entrypoint) if each.entrypoint is not None else None,
            "args": list(each.command) if each.command is not None else None,
            "workingDir": each.working_dir,
            "env": [{"name": key, "value": value.replace("$(", "$$(")} for key, value in each.environment.items()],
            "ports": [self._port("containerPort", one) for one in ports(each)],
            "resources": resources,
            "volumeMounts": self._mounts,
            "securityContext": self._security(),
            "readinessProbe": self._probe(),
        }
        return {key: value for key, value in found.items() if value}

    def _probe(self) -> dict[str, Any]:
        if self._service.probe:
            return {
                "exec": {"command": list(self._service.probe)},
                "periodSeconds": 2,
                "timeoutSeconds": 5,
                "failureThreshold": 30,
            }
        tcp = [each.number for each in ports(self._service) if each.protocol == "TCP"]
        return {"tcpSocket": {"port": tcp[0]}, "periodSeconds": 2} if tcp else {}

    def _security(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        user, _, group = self._service.user.partition(":")
        if (uid := number(user)) is not None:
            found["runAsUser"] = uid
        elif user:
            self._lose(f"`user: {user}`: Kubernetes wants a number")
        if (gid := number(group)) is not None:
            found["runAsGroup"] = gid
        if self._service.capabilities:
            found["capabilities"] = {"add": list(self._service.capabilities)}
        return found

    def _cluster_service(self) -> dict[str, Any]:
        """Without ports it still has a name that leads to the pods."""
        found = [self._port("port", each) for each in ports(self._service)]
        spec: dict[str, Any] = {"selector": {"app": self._name}}
        spec |= {"ports": found} if found else {"clusterIP": "None"}
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": self._name}, "spec": spec}

    def _port(self, key: str, port: Port) -> dict[str, Any]:
        name = {"name": f"{port.protocol.lower()}-{port.number}"}
        protocol = {} if port.protocol == "TCP" else {"protocol": port.protocol}
        return {**name, key: port.number, **protocol}

    def _volume(self, index: int, volume: Volume) -> None:
        name = to_label(volume.source if volume.kind == "volume" else f"{self._name}-{index}") or f"volume-{index}"
        if volume.kind == "volume":
            if name not in self._claims:
                self._claims.add(name)
                self._extra.append(_claim(name))
            self._mount(name, volume, {"persistentVolumeClaim": {"claimName": name}})
        elif volume.kind == "tmpfs":
            self._mount(name, volume, {"emptyDir": {}})
        else:
            self._bind(name, volume)

    def _bind(self, name: str, volume: Volume) -> None:
        """One file becomes a ConfigMap; a folder cannot: of one that is built, it is in the image anyway."""
        text = self._tree.read(volume.source)
        if self._tree.has(volume.source) and text and len(text) < _MOST_BYTES:
            key = re.sub(r"[^\w.-]", "-", volume.source.rpartition("/")[2])
            self._extra.append(
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {key: text}}
            )
            self._mount(name, volume, {"configMap": {"name": name}}, {"subPath": key})
            self._lose(f"{volume.source} was copied into the ConfigMap {name}: edits of the file do not reach it")
        elif self._service.context:
            self._lose(f"the mount of {volume.source}: an edit builds the image anew instead")
        else:
            self._lose(f"the folder {volume.source} is not mounted: put it into an image or a ConfigMap")

    def _mount(
        self, name: str, volume: Volume, source: Mapping[str, Any], more: Mapping[str, Any] | None = None
    ) -> None:
        is_read_only = {"readOnly": True} if volume.is_read_only else {}
        self._mounts.append({"name": name, "mountPath": volume.target, **(more or {}), **is_read_only})
        if not any(each["name"] == name for each in self._volumes):
            self._volumes.append({"name": name, **source})

    def _lose(self, what: str) -> None:
        self.lost.append(f"{self._service.name}: {what}")


def _claim(name: str) -> dict[str, Any]:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}
