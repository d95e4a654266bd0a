"""Which Dockerfile makes which image: by what the names say, and by where things lie.

Comes in: the images that something deploys, the sources, and what a person has said already. Goes out: pairs, and questions where two
answers are as good as each other. An image that nothing here makes is somebody else's, and stays as it is. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from devloop.config.names import to_label
from devloop.setup import dockerfiles
from devloop.setup.records import Source, Use
from devloop.setup.walk import below, parent

# Images that projects take as they are; a Dockerfile makes one of these names only if a folder is called so.
_PUBLIC = frozenset(
    {
        "postgres",
        "redis",
        "valkey",
        "mysql",
        "mariadb",
        "mongo",
        "memcached",
        "elasticsearch",
        "minio",
        "etcd",
        "vault",
        "consul",
        "nginx",
        "httpd",
        "caddy",
        "haproxy",
        "traefik",
        "rabbitmq",
        "nats",
        "kafka",
        "zookeeper",
        "grafana",
        "prometheus",
        "busybox",
        "alpine",
        "debian",
        "ubuntu",
        "python",
        "node",
        "golang",
        "adminer",
        "mailhog",
        "localstack",
    }
)
_SAME, _PART, _NEAR, _LAST = 100, 50, 30, 10  # how much a fact says; each outweighs all those after it
_SURE = 5  # a lead that needs no question


@dataclass(frozen=True)
class Question:
    """An image that several sources may make; the best first."""

    image: str
    choices: tuple[Source, ...]


@dataclass(frozen=True)
class Pairing:
    """`pairs`: image → its source. `unused`: sources that no image needs. `questions`: what only a person knows."""

    pairs: Mapping[str, Source] = field(default_factory=dict)
    unused: tuple[Source, ...] = ()
    questions: tuple[Question, ...] = ()


def pair(uses: Iterable[Use], sources: Sequence[Source], given: Mapping[str, str | None]) -> Pairing:
    """Pairs by the strongest facts first. `given`: image → Dockerfile, None for one that is not made here."""
    places: dict[str, list[Use]] = {}
    for each in uses:
        if not each.is_pinned:
            places.setdefault(each.image, []).append(each)
    pairs: dict[str, Source] = {}
    by_file = {each.dockerfile: each for each in sources}
    for image, file in given.items():
        if file is not None:
            pairs[image] = by_file[file]
    free = [each for each in sources if each not in pairs.values()]
    open_images = [each for each in places if each not in given]
    questions: list[Question] = []
    while open_images:
        best = max(open_images, key=lambda image: _scores(image, places[image], free)[:1])
        open_images.remove(best)
        ranked = _ranked(best, places[best], free)
        if not ranked:
            continue
        if len(ranked) > 1 and ranked[0][0] - ranked[1][0] < _SURE:
            questions.append(Question(best, tuple(each for _, each in ranked)))
        else:
            pairs[best] = ranked[0][1]
            free.remove(ranked[0][1])
    _by_elimination(pairs, questions, [each for each in places if each not in given], free, places)
    asked = {each.dockerfile for question in questions for each in question.choices}
    return Pairing(pairs, tuple(each for each in free if each.dockerfile not in asked), tuple(questions))


def score(image: str, uses: Sequence[Use], source: Source) -> int:
    """How well a source fits an image; 0: not at all."""
    if source.image:
        return 2 * _SAME if source.image == image else 0
    name = image.rpartition("/")[2]
    mine = _words(source)
    by_name = _SAME if to_label(name) in mine else 0
    if not by_name and name in _PUBLIC:
        return 0
    used = {to_label(each) for use in uses for each in (use.workload.rpartition("/")[2], use.container) if each}
    if not by_name and (used & mine or _parts(name) & mine):
        by_name = _PART
    home = source.path
    is_near = home != "." and any(
        below(use.file, home) or (parent(home) != "." and below(use.file, parent(home))) for use in uses
    )
    is_alike = any(set(use.ports) & set(source.ports) for use in uses)
    return by_name + (_NEAR if is_near else 0) + (_SURE if is_alike and by_name + is_near else 0)


def _words(source: Source) -> set[str]:
    """What the source may be called: its Dockerfile's word, else its folder's name."""
    own = dockerfiles.word(source.dockerfile)
    folders = [each for each in source.path.split("/") if each not in (".", "docker", "build", "cmd", "src", "app")]
    found = {to_label(own)} if own and own not in ("dev", "prod", "local") else set()
    return found or ({to_label(folders[-1])} if folders else set())


def _parts(name: str) -> set[str]:
    return {each for each in re.split(r"[-_.]", name) if len(each) > 1}


def _ranked(image: str, uses: Sequence[Use], free: Sequence[Source]) -> list[tuple[int, Source]]:
    found = [(score(image, uses, each), each) for each in free]
    return sorted(((points, each) for points, each in found if points), key=lambda each: -each[0])


def _scores(image: str, uses: Sequence[Use], free: Sequence[Source]) -> list[int]:
    return [points for points, _ in _ranked(image, uses, free)] or [0]


def _by_elimination(
    pairs: dict[str, Source],
    questions: list[Question],
    images: Sequence[str],
    free: list[Source],
    places: Mapping[str, Sequence[Use]],
) -> None:
    """What is left on both sides belongs together; with more than one on a side, only a person knows."""
    left = [
        each
        for each in images
        if each not in pairs
        and not any(one.image == each for one in questions)
        and each.rpartition("/")[2] not in _PUBLIC
    ]
    ready = [each for each in free if not each.image]
    if not left or not ready:
        return
    if len(left) == len(ready) == 1:
        pairs[left[0]] = ready[0]
        free.remove(ready[0])
    else:
        questions += (Question(each, tuple(ready)) for each in left if _is_local(each, places[each]))


def _is_local(image: str, uses: Sequence[Use]) -> bool:
    """Whether the name could be the project's own: a tag that a public image has says nothing, a foreign registry does."""
    host = image.partition("/")[0]
    return not ("." in host and host not in ("docker.io", "ghcr.io")) and bool(uses)
