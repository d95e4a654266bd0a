"""The rules of what is neither built nor deployed: the cluster, its registry, and ports on this machine.

Comes in: a project with its defaults, and where its values are written. Goes out: what breaks a rule. Pure; no rule stops another.
"""

from __future__ import annotations

from devloop.config import model, names
from devloop.config.defaults import KINDS
from devloop.config.names import did_you_mean
from devloop.config.paths import Finding, KeyPath, Positions
from devloop.config.rules.places import FORWARDS, LABEL_HINT, UNITS, Rule, no_label, numbered


def namespaces_are_labels(project: model.Project, _: Positions) -> list[Finding]:
    given: list[tuple[str | None, KeyPath]] = [(project.cluster.namespace, ("cluster", "namespace"))]
    for unit, path in numbered(project.deploy, UNITS):
        given.append((unit.helm.namespace if unit.helm is not None else None, (*path, "helm", "namespace")))
    for forward, path in numbered(project.port_forward, FORWARDS):
        given.append((forward.namespace, (*path, "namespace")))
    return [no_label(path, name) for name, path in given if name is not None and not names.is_label(name)]


def registry_is_an_address(project: model.Project, _: Positions) -> list[Finding]:
    registry = project.cluster.registry
    if registry is None or names.is_registry(registry):
        return []
    bare = registry.rpartition("://")[2].rstrip("/")
    hint = f"write `{bare}`" if names.is_registry(bare) else "for example localhost:5001 or registry.example.com/team"
    return [Finding(("cluster", "registry"), f"`{registry}` is no address of a registry", hint)]


def forwarded_resources_are_known(project: model.Project, _: Positions) -> list[Finding]:
    found = []
    for forward, path in numbered(project.port_forward, FORWARDS):
        here = (*path, "resource")
        kind, slash, name = forward.resource.partition("/")
        if not (slash and name):
            message = f"`{forward.resource}` does not say both kind and name"
            example = forward.resource if names.is_subdomain(forward.resource) else "api"
            found.append(Finding(here, message, f"for example `deployment/{example}`"))
        elif kind not in KINDS:
            hint = did_you_mean(kind, KINDS, f"kinds are {', '.join(KINDS)}")
            found.append(Finding(here, f"`{kind}` is no kind that can be forwarded to", hint))
        elif not names.is_subdomain(name):
            message = f"`{name}` is no name of a {kind}"
            found.append(Finding(here, message, "use lower-case letters, digits, `-` and `.`"))
    return found


def ports_are_valid(project: model.Project, _: Positions) -> list[Finding]:
    found = []
    for forward, path in numbered(project.port_forward, FORWARDS):
        port, here = forward.port, (*path, "port")
        if isinstance(port, int):
            if not 1 <= port <= 65535:
                found.append(Finding(here, f"{port} is no port", "ports are 1 to 65535"))
        elif not names.is_label(port) or not any(character.isalpha() for character in port):
            local, colon, there = str(port).partition(":")
            hint = f"write `port: {there}` and `localPort: {local}`" if colon and local.isdigit() else LABEL_HINT
            found.append(Finding(here, f"`{port}` is neither a port nor the name of one", hint))
        elif forward.local_port is None:
            message = f"the port `{port}` has a name only, so the one on this machine has to be said"
            found.append(Finding(here, message, "add `localPort`, for example `localPort: 8080`"))
    return found


def local_ports_are_distinct(project: model.Project, positions: Positions) -> list[Finding]:
    seen: dict[int, list[tuple[str, KeyPath]]] = {}
    found = []
    for forward, path in numbered(project.port_forward, FORWARDS):
        if forward.local_port is None:
            continue
        here = positions.first((*path, "localPort"), (*path, "port"))
        taken = seen.setdefault(forward.local_port, [])
        other = next((place for address, place in taken if _collide(address, forward.address)), None)
        if other is not None:
            message = f"two forwards listen on port {forward.local_port} of this machine, the first at {positions.where(other)}"
            found.append(Finding(here, message, "give one of them another `localPort`"))
        taken.append((forward.address, here))
    return found


def addresses_are_valid(project: model.Project, _: Positions) -> list[Finding]:
    found = []
    for forward, path in numbered(project.port_forward, FORWARDS):
        if forward.address != "localhost" and not _is_address(forward.address):
            message = f"`{forward.address}` is no address of this machine"
            found.append(Finding((*path, "address"), message, "127.0.0.1 for this machine only, 0.0.0.0 for all"))
    return found


def _collide(one: str, other: str) -> bool:
    same = {"127.0.0.1" if each == "localhost" else each for each in (one, other)}
    return len(same) == 1 or not same.isdisjoint({"0.0.0.0", "::"})


def _is_address(text: str) -> bool:
    import ipaddress

    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


RULES: tuple[Rule, ...] = (
    namespaces_are_labels,
    registry_is_an_address,
    forwarded_resources_are_known,
    ports_are_valid,
    local_ports_are_distinct,
    addresses_are_valid,
)
