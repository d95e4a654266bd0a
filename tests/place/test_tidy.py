"""Which superseded images go, and which stay whatever their age."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from devloop.errors import StepFailed
from devloop.place import node, tidy
from devloop.products import Image, Placed
from devloop.scope import Scope
from devloop.stages import Tools
from devloop.testing.engine import FakeEngine
from devloop.testing.processes import FakeProcesses

NOW_S = 1_800_000_000.0
HOUR_S = 3600.0


def ref(number: int) -> str:
    return f"shop/api:{number:016x}"


def test_the_last_ones_and_the_young_stay() -> None:
    tagged = {ref(number): NOW_S - number * HOUR_S for number in range(1, 8)}
    assert tidy.superseded(tagged, NOW_S) == {ref(number) for number in range(4, 8)}
    assert tidy.superseded(dict.fromkeys(tagged, NOW_S - 60), NOW_S) == frozenset()
    assert tidy.superseded({}, NOW_S) == frozenset()


def test_only_tags_of_digests_are_ours() -> None:
    assert tidy.is_ours("shop/api:0123456789abcdef")
    for other in ("shop/api:latest", "shop/api:0123456789abcdeg", "shop/api:0123456789abcdef0", "shop/api"):
        assert not tidy.is_ours(other)


class Placer:
    """Notes what it is asked to remove; one of it is in use."""

    def __init__(self) -> None:
        self.asked: Collection[str] = ()

    def place(self, scope: Scope, image: Image, tools: Tools) -> tuple[Placed, bool]:
        raise NotImplementedError

    def find(self, image: Image, tools: Tools) -> Placed | None:
        raise NotImplementedError

    def repository(self, artifact: str) -> str:
        return ""

    def tidy(self, scope: Scope, refs: Collection[str], tools: Tools) -> frozenset[str]:
        self.asked = set(refs)
        return frozenset({ref(1)})


class Engine(FakeEngine):
    """One whose tags were given long ago, and one of whose images is in use."""

    def tagged(self, name: str) -> dict[str, float]:
        return {each: float(int(each.rpartition(":")[2], 16)) for each in super().tagged(name) if tidy.is_ours(each)}

    def untag(self, ref: str) -> None:
        if ref == "shop/api:0000000000000002":
            raise StepFailed("conflict: a container uses it")
        super().untag(ref)


def test_what_is_in_use_anywhere_stays_everywhere() -> None:
    engine, placer = Engine(), Placer()
    for number in range(1, 7):
        engine.add(ref(number), [{"file": b"%d" % number}])
    engine.add("shop/api:latest", [{"file": b"x"}])
    removed = tidy.tidy(Scope("test"), "shop/api", placer, Tools(FakeProcesses(), engine))
    assert removed == (ref(3),)
    assert placer.asked == {ref(1), ref(2), ref(3)}
    assert engine.tagged("shop/api").keys() == {ref(1), ref(2), ref(4), ref(5), ref(6)}
    assert engine.inspect("shop/api:latest") is not None


NAME = "docker.io/shop/api"
IMAGES = f"""\
REF TYPE DIGEST SIZE PLATFORMS LABELS
{NAME}:000000000000000a application/x sha256:aa 1.0 KiB linux/amd64 -
{NAME}:000000000000000b application/x sha256:bb 1.0 KiB linux/amd64 -
{NAME}:000000000000000c application/x sha256:cc 1.0 KiB linux/amd64 -
{NAME}:000000000000000d application/x sha256:cc 1.0 KiB linux/amd64 -
{NAME}:000000000000000e application/x sha256:ee 1.0 KiB linux/amd64 -
{NAME}:0000000000000000 application/x sha256:ff 1.0 KiB linux/amd64 -
{NAME}:latest application/x sha256:dd 1.0 KiB linux/amd64 -
docker.io/shop/apis:000000000000000a application/x sha256:99 1.0 KiB linux/amd64 -
sha256:config-a application/x sha256:aa 1.0 KiB linux/amd64 -
sha256:config-c application/x sha256:cc 1.0 KiB linux/amd64 -
sha256:config-e application/x sha256:ee 1.0 KiB linux/amd64 -
"""
CONTAINERS = f"""\
CONTAINER IMAGE RUNTIME
1 {NAME}:000000000000000b x
2 sha256:config-e x
3 gone:1 x
4 docker.io/shop/apis:000000000000000a x
"""
MANIFESTS = """\
sha256:99 {"config": {"digest": "sha256:config-same"}}
sha256:aa {"config": {"digest": "sha256:config-a"}}
sha256:bb {"manifests": []}
sha256:ff {"config": {"digest": "sha256:config-same"}}
"""


@pytest.mark.parametrize(
    ("asked", "removed", "used"),
    [
        ("abcde", {"a", "c", "d", "sha256:config-a", "sha256:config-c"}, {"b", "e"}),
        ("acf", {"a", "c", "sha256:config-a"}, set()),
        ("0", set(), {"0"}),  # of the image that container 4 runs under another name
        ("", set(), set()),
    ],
)
def test_on_a_node_what_containers_use_stays_and_the_second_name_goes_with_the_last(
    asked: str, removed: set[str], used: set[str]
) -> None:
    gone, staying = node.removable(IMAGES, CONTAINERS, MANIFESTS, [f"{NAME}:{each:0>16}" for each in asked])
    assert {each.removeprefix(f"{NAME}:000000000000000") for each in gone} == removed
    assert {each.removeprefix(f"{NAME}:000000000000000") for each in staying} == used
