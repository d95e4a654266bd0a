"""Services of a compose file, as frozen data.

Comes in: nothing. Goes out: one record a part. Only what can be carried into Kubernetes has a field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from devloop.config.names import to_label


@dataclass(frozen=True)
class Port:
    """`published`: on this machine; None when it is not."""

    number: int
    published: int | None = None
    protocol: str = "TCP"


@dataclass(frozen=True)
class Volume:
    """`kind`: volume (a named one), bind (`source` is a path of the project) or tmpfs."""

    kind: str
    target: str
    source: str = ""
    is_read_only: bool = False


@dataclass(frozen=True)
class Service:
    """One service. `context`, `dockerfile`: relative to the project; `context` is "" when the image is not built."""

    name: str
    image: str = ""
    context: str = ""
    dockerfile: str = ""
    target: str = ""
    build_args: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    volumes: tuple[Volume, ...] = ()
    needs: tuple[str, ...] = ()
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    working_dir: str = ""
    user: str = ""
    probe: tuple[str, ...] = ()
    replicas: int = 1
    limits: Mapping[str, str] = field(default_factory=dict)
    requests: Mapping[str, str] = field(default_factory=dict)
    capabilities: tuple[str, ...] = ()


def object_name(service: str) -> str:
    """The service's name as Kubernetes takes it for a Service: a label that begins with a letter."""
    label = to_label(service)
    return label if label[:1].isalpha() else f"service-{label}".rstrip("-")[:63]


@dataclass(frozen=True)
class Composition:
    """`lost`: `SERVICE: what, why and what to do`, for each thing that is not carried."""

    file: str
    services: tuple[Service, ...]
    lost: tuple[str, ...] = ()
