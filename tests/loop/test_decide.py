"""The rules of `decide`, one by one."""

from __future__ import annotations

from dataclasses import dataclass, field

from devloop.graph import Graph, Node
from devloop.loop.decide import decide
from devloop.loop.messages import (
    Action,
    Asked,
    Cancel,
    Cancelled,
    Changed,
    Done,
    Failed,
    Forget,
    Message,
    Reconfigured,
    Start,
    UpdateEnded,
    UpdateStarted,
)
from devloop.loop.state import Policy, State
from devloop.products import Applied, Image, Met, ObjectRef, Passed, Placed, Product, Ready, Rendered

A, B, U = "image/a", "image/b", "deploy/u"
BUILD_A, PLACE_A, BUILD_B, PLACE_B = Node(A, "build"), Node(A, "place"), Node(B, "build"), Node(B, "place")
RENDER, APPLY, READY = Node(U, "render"), Node(U, "apply"), Node(U, "ready")
TWO_IMAGES = Graph({"a": (), "b": ()}, {"u": ()})
TEST_A = Node("test/a", "test")
A_IS_TESTED = Graph({"a": (), "b": ("a",)}, {"u": ()}, tests=frozenset({"a"}))
ON_A_BASE = Graph({"a": (), "b": ("a",)}, {"u": ()})


@dataclass
class Driver:
    """Sends messages and keeps what was answered."""

    graph: Graph
    policy: Policy = Policy()
    uses: frozenset[str] = frozenset({"a", "b"})
    state: State = field(init=False)
    starts: dict[Node, Start] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.state = State(self.graph, self.policy)

    def tell(self, message: Message) -> tuple[Action, ...]:
        self.state, actions = decide(self.state, message)
        self.starts |= {action.node: action for action in actions if isinstance(action, Start)}
        return actions

    def edit(self, **digests: str) -> tuple[Action, ...]:
        names = {"a": A, "b": B, "u": U, "test": TEST_A.target}
        return self.tell(Changed({names[name]: digest for name, digest in digests.items()}, ("f",)))

    def done(self, node: Node) -> tuple[Action, ...]:
        start = self.starts[node]
        name = node.target.partition("/")[2]
        products: dict[str, Product] = {
            "build": Image(name, f"{name}:{start.digest}", ""),
            "test": Passed(name, ""),
            "place": Placed(name, f"{name}:{start.digest}", ""),
            "render": Rendered(name, (), self.uses, start.digest),
            "await": Met(name),
            "apply": Applied(name, "", ()),
            "ready": Ready(name),
        }
        return self.tell(Done(node, start.digest, products[node.step]))

    def fail(self, node: Node) -> tuple[Action, ...]:
        return self.tell(Failed(node, self.starts[node].digest))

    def settle(self) -> None:
        while self.state.running:
            self.done(next(iter(self.state.running)))


def settled(graph: Graph = TWO_IMAGES) -> Driver:
    driver = Driver(graph)
    driver.edit(a="1", b="1", u="1", test="1")
    driver.settle()
    assert driver.state.is_all_current
    return driver


def nodes(actions: tuple[Action, ...], kind: type[Start] | type[Cancel]) -> list[Node]:
    return [action.node for action in actions if isinstance(action, kind)]


def test_the_first_pass_builds_and_renders_everything_at_once() -> None:
    actions = Driver(TWO_IMAGES).edit(a="1", b="1", u="1")
    assert nodes(actions, Start) == [BUILD_A, BUILD_B, RENDER]
    assert isinstance(actions[0], UpdateStarted)


def test_a_unit_is_applied_once_what_it_needs_of_the_cluster_is_there() -> None:
    driver = Driver(Graph({}, {"u": (), "v": ()}, waits={"u": "job/migrate"}))
    wait = Node(U, "await")
    driver.tell(Changed({U: "1", "deploy/v": "1"}))
    assert set(driver.state.running) == {RENDER, wait, Node("deploy/v", "render")}
    assert nodes(driver.done(RENDER), Start) == []
    assert nodes(driver.done(Node("deploy/v", "render")), Start) == [Node("deploy/v", "apply")]
    assert nodes(driver.done(wait), Start) == [APPLY]


def test_a_unit_that_was_applied_waits_for_what_others_render_now() -> None:
    driver = Driver(Graph({}, {"u": (), "v": ()}), uses=frozenset())
    other = Node("deploy/v", "render")
    driver.tell(Changed({U: "1", "deploy/v": "1"}))
    assert nodes(driver.done(RENDER), Start) == [APPLY]  # nothing was applied yet that could have moved
    driver.settle()
    driver.tell(Changed({U: "2", "deploy/v": "2"}, ("f",)))
    assert nodes(driver.done(RENDER), Start) == []
    assert set(nodes(driver.done(other), Start)) == {APPLY, Node("deploy/v", "apply")}


def test_a_unit_does_not_wait_for_one_that_cannot_be_rendered() -> None:
    driver = Driver(Graph({}, {"u": (), "v": ()}), uses=frozenset())
    driver.tell(Changed({U: "1", "deploy/v": "1"}))
    driver.settle()
    driver.tell(Changed({U: "2", "deploy/v": "2"}, ("f",)))
    driver.done(RENDER)
    assert nodes(driver.fail(Node("deploy/v", "render")), Start) == [APPLY]


def test_an_edit_of_a_unit_whose_wait_failed_waits_again() -> None:
    driver = Driver(Graph({}, {"u": ()}, waits={"u": "job/migrate"}))
    driver.tell(Changed({U: "1"}))
    driver.fail(Node(U, "await"))
    assert nodes(driver.tell(Changed({U: "2"}, ("f",))), Start) == [Node(U, "await")]


def test_an_edit_starts_its_own_target_only() -> None:
    assert nodes(settled().edit(b="2"), Start) == [BUILD_B]


def test_an_edit_that_leaves_the_digest_as_it_was_does_nothing() -> None:
    assert settled().edit(a="1") == ()


def test_an_image_in_the_making_does_not_apply_its_unit_before_it_is_placed() -> None:
    driver = settled()
    driver.edit(a="2")
    assert nodes(driver.done(BUILD_A), Start) == [PLACE_A]
    (start,) = driver.done(PLACE_A)
    assert isinstance(start, Start)
    assert start.node == APPLY
    assert start.holds == frozenset()
    assert start.reason == "new image a"


def test_a_changed_manifest_leaves_objects_of_an_image_in_the_making_alone() -> None:
    driver = settled()
    driver.edit(a="2", u="2")
    (start,) = driver.done(RENDER)
    assert isinstance(start, Start)
    assert start.holds == {"a"}
    assert start.reason == "manifests changed"


def test_one_images_edit_goes_live_while_another_is_being_built() -> None:
    driver = settled()
    driver.edit(a="2")
    driver.edit(b="2")
    driver.done(BUILD_B)
    (start,) = driver.done(PLACE_B)
    assert isinstance(start, Start)
    assert (start.node, start.update) == (APPLY, 3)
    assert start.holds == {"a"}
    driver.done(APPLY)
    ended = driver.done(READY)
    assert [(each.update.number, each.is_ready) for each in ended if isinstance(each, UpdateEnded)] == [(3, True)]
    assert BUILD_A in driver.state.running


def test_run_waits_for_all_images_of_a_unit() -> None:
    driver = Driver(TWO_IMAGES, Policy(is_partial=False))
    driver.edit(a="1", b="1", u="1")
    assert nodes(driver.done(RENDER), Start) == []
    driver.done(BUILD_A)
    assert nodes(driver.done(PLACE_A), Start) == []
    driver.done(BUILD_B)
    assert nodes(driver.done(PLACE_B), Start) == [APPLY]


def test_in_run_the_first_failure_stops_what_is_not_an_apply() -> None:
    driver = Driver(TWO_IMAGES, Policy(is_partial=False))
    driver.edit(a="1", b="1", u="1")
    assert nodes(driver.fail(BUILD_A), Cancel) == [BUILD_B, RENDER]
    driver.tell(Cancelled(BUILD_B))
    ended = driver.tell(Cancelled(RENDER))
    assert [each.is_ready for each in ended if isinstance(each, UpdateEnded)] == [False]
    assert not driver.state.running


def test_a_newer_edit_cancels_the_build_and_starts_again_once_it_has_stopped() -> None:
    driver = settled()
    driver.edit(a="2")
    actions = driver.edit(a="3")
    assert nodes(actions, Cancel) == [BUILD_A]
    assert nodes(actions, Start) == []
    assert nodes(driver.tell(Cancelled(BUILD_A)), Start) == [BUILD_A]


def test_a_build_that_finished_while_being_cancelled_is_not_deployed() -> None:
    driver = settled()
    driver.edit(a="2")
    driver.edit(a="3")
    assert nodes(driver.done(BUILD_A), Start) == [BUILD_A]


def test_an_apply_that_has_begun_is_finished_and_followed_by_the_newer_one() -> None:
    driver = settled()
    driver.edit(u="2")
    driver.done(RENDER)
    assert nodes(driver.edit(u="3"), Cancel) == []
    assert APPLY in driver.state.running
    driver.done(RENDER)
    assert nodes(driver.done(APPLY), Start) == [APPLY]


def test_a_wait_for_readiness_is_cut_short_by_the_next_apply() -> None:
    driver = settled()
    driver.edit(u="2")
    driver.done(RENDER)
    driver.done(APPLY)
    assert nodes(driver.edit(u="3"), Cancel) == [READY]


def test_a_failure_waits_for_an_edit_instead_of_spinning() -> None:
    driver = settled()
    driver.edit(a="2")
    driver.fail(BUILD_A)
    assert nodes(driver.edit(b="2"), Start) == [BUILD_B]
    assert nodes(driver.edit(a="3"), Start) == [BUILD_A]


def test_a_retry_starts_what_failed() -> None:
    driver = settled()
    driver.edit(a="2")
    driver.fail(BUILD_A)
    (opened, start) = driver.tell(Asked("retry", why="the engine answers again"))
    assert isinstance(opened, UpdateStarted)
    assert isinstance(start, Start)
    assert (start.node, start.reason) == (BUILD_A, "the engine answers again")


def test_inputs_that_failed_before_are_tried_afresh_when_they_come_back() -> None:
    driver = settled()
    driver.edit(a="2")
    driver.fail(BUILD_A)
    driver.edit(a="3")
    driver.edit(a="2")
    assert nodes(driver.tell(Cancelled(BUILD_A)), Start) == [BUILD_A]


def test_a_rebuilt_base_rebuilds_what_is_built_on_it() -> None:
    driver = settled(ON_A_BASE)
    before = driver.state.want(BUILD_B)
    driver.edit(a="2")
    actions = driver.done(BUILD_A)
    assert nodes(actions, Start) == [PLACE_A, BUILD_B]
    assert driver.state.want(BUILD_B) != before
    assert driver.starts[BUILD_B].reason == "a required image changed"


def test_builds_at_once_are_limited() -> None:
    driver = Driver(TWO_IMAGES, Policy(builds=1))
    assert nodes(driver.edit(a="1", b="1", u="1"), Start) == [BUILD_A, RENDER]
    assert nodes(driver.done(BUILD_A), Start) == [PLACE_A, BUILD_B]


def test_a_unit_waits_until_the_unit_that_it_needs_is_ready() -> None:
    driver = Driver(Graph({}, {"u": (), "v": ("u",)}), uses=frozenset())
    driver.tell(Changed({U: "1", "deploy/v": "1"}))
    assert nodes(driver.done(Node("deploy/v", "render")), Start) == []
    driver.done(RENDER)
    driver.done(APPLY)
    assert nodes(driver.done(READY), Start) == [Node("deploy/v", "apply")]


def test_a_broken_unit_does_not_block_what_needs_it_once_it_was_ready() -> None:
    driver = Driver(Graph({}, {"u": (), "v": ("u",)}), uses=frozenset())
    driver.tell(Changed({U: "1", "deploy/v": "1"}))
    driver.settle()
    driver.tell(Changed({U: "2"}))
    driver.fail(RENDER)
    driver.tell(Changed({"deploy/v": "2"}))
    assert nodes(driver.done(Node("deploy/v", "render")), Start) == [Node("deploy/v", "apply")]


def test_what_comes_good_by_itself_ends_as_ready() -> None:
    driver = settled()
    driver.edit(u="2")
    driver.done(RENDER)
    driver.done(APPLY)
    driver.fail(READY)
    actions = driver.tell(Done(READY, driver.starts[READY].digest, Ready("u")))
    assert [type(action) for action in actions] == [UpdateStarted, UpdateEnded]
    assert driver.state.is_all_current


def test_quitting_stops_everything_but_an_apply_and_starts_nothing() -> None:
    driver = settled()
    driver.edit(u="2")
    driver.done(RENDER)
    driver.edit(a="2")
    assert nodes(driver.tell(Asked("quit")), Cancel) == [BUILD_A]
    assert driver.tell(Cancelled(BUILD_A)) == ()
    assert driver.done(APPLY) == ()


def test_a_new_config_keeps_what_it_does_not_change() -> None:
    driver = settled()
    graph = Graph({"a": ()}, {"u": (), "v": ()})
    actions = driver.tell(Reconfigured(graph, {A: "1", U: "1", "deploy/v": "1"}))
    assert Forget(B) in actions
    assert nodes(actions, Start) == [Node("deploy/v", "render")]  # an object of u may have moved to it
    assert set(nodes(driver.done(Node("deploy/v", "render")), Start)) == {Node("deploy/v", "apply"), APPLY}
    assert BUILD_A in driver.state.have


def test_a_target_that_left_is_forgotten_only_when_nothing_of_it_runs() -> None:
    driver = settled()
    driver.edit(b="2")
    actions = driver.tell(Reconfigured(Graph({"a": ()}, {"u": ()}), {A: "1", U: "1"}))
    assert nodes(actions, Cancel) == [BUILD_B]
    assert Forget(B) not in actions
    assert Forget(B) in driver.tell(Cancelled(BUILD_B))


def test_a_unit_that_left_is_pruned_only_after_those_that_stayed_took_over_its_objects() -> None:
    driver = settled()
    actions = driver.tell(Reconfigured(Graph({"a": (), "b": ()}, {"v": ()}), {A: "1", B: "1", "deploy/v": "1"}))
    assert Forget(U) not in actions
    driver.done(Node("deploy/v", "render"))
    assert Forget(U) in driver.done(Node("deploy/v", "apply"))


def test_what_was_left_behind_is_pruned_once_all_units_are_rendered() -> None:
    driver = Driver(Graph({}, {"u": (), "v": ()}), uses=frozenset())
    render_v, apply_v = Node("deploy/v", "render"), Node("deploy/v", "apply")
    driver.tell(Changed({U: "1", "deploy/v": "1"}))
    driver.done(RENDER)
    left = Applied("u", "", (), postponed=(ObjectRef("v1", "ConfigMap", "", "c"),))
    actions = driver.tell(Done(APPLY, driver.starts[APPLY].digest, left))
    assert nodes(actions, Start) == [READY]  # while v may have taken it over
    driver.done(READY)
    assert set(nodes(driver.done(render_v), Start)) == {apply_v, APPLY}
    assert driver.starts[APPLY].reason == "what it left behind is nobody's"
    assert nodes(driver.done(APPLY), Start) == [READY]  # looked after anew, as after every apply
    driver.done(apply_v)
    driver.settle()
    assert driver.state.is_all_current


def test_a_second_save_of_a_target_on_its_way_joins_its_update() -> None:
    driver = settled()
    driver.tell(Changed({A: "2"}, ("x",)))
    assert not any(isinstance(each, UpdateStarted) for each in driver.tell(Changed({A: "3"}, ("y",))))
    (update,) = driver.state.updates
    assert update.changed == ("x", "y")


def test_an_apply_knows_the_units_before_it_that_have_its_objects_and_runs_again_when_they_let_go() -> None:
    graph = Graph({}, {"first": (), "second": ()})
    state = State(graph)
    starts: dict[Node, Start] = {}

    def tell(message: Message) -> list[Node]:
        nonlocal state
        state, actions = decide(state, message)
        started = {action.node: action for action in actions if isinstance(action, Start)}
        starts.update(started)
        return list(started)

    def rendered(unit: str, *names: str) -> list[Node]:
        node = Node(f"deploy/{unit}", "render")
        objects = {("", "ConfigMap", "", name): f"{unit}.yaml:1" for name in names}
        return tell(Done(node, starts[node].digest, Rendered(unit, (), frozenset(), starts[node].digest, objects)))

    first, second = (Node(f"deploy/{unit}", "apply") for unit in ("first", "second"))
    tell(Changed({"deploy/first": "1", "deploy/second": "1"}))
    assert rendered("first", "a", "shared") == [first]
    assert rendered("second", "b", "shared") == [second]
    assert starts[first].rivals == ()
    assert starts[second].rivals == ("first",)
    tell(Failed(second, starts[second].digest))
    tell(Done(first, starts[first].digest, Applied("first", "", ())))
    tell(Changed({"deploy/first": "2"}))
    assert second in rendered("first", "a")
    assert starts[second].rivals == ()


def test_an_image_is_tested_before_it_is_placed_but_others_are_built_on_it_meanwhile() -> None:
    driver = Driver(A_IS_TESTED)
    driver.edit(a="1", b="1", u="1", test="1")
    assert nodes(driver.done(BUILD_A), Start) == [TEST_A, BUILD_B]
    assert nodes(driver.done(TEST_A), Start) == [PLACE_A]


def test_an_image_whose_tests_fail_is_held_back_until_an_edit_mends_it() -> None:
    driver = settled(A_IS_TESTED)
    driver.uses = frozenset({"a"})
    driver.edit(u="2", test="2")
    assert driver.starts[TEST_A].reason == "new image"
    driver.done(Node(U, "render"))
    assert driver.starts[APPLY].holds == {"a"}
    driver.done(APPLY)
    driver.done(READY)
    (ended,) = driver.fail(TEST_A)
    assert isinstance(ended, UpdateEnded)
    assert not ended.is_ready
    driver.edit(a="2")
    assert not driver.state.is_placed("a")
    driver.settle()
    assert driver.state.is_all_current
    assert driver.starts[APPLY].holds == frozenset()


def test_an_edit_of_a_test_tests_again_and_that_is_all() -> None:
    driver = settled(A_IS_TESTED)
    actions = driver.tell(Changed({TEST_A.target: "2"}, ("t",), {TEST_A.target: "t changed"}))
    assert nodes(actions, Start) == [TEST_A]
    assert driver.starts[TEST_A].reason == "t changed"
    (ended,) = driver.done(TEST_A)
    assert isinstance(ended, UpdateEnded)
    assert ended.is_ready
    driver.edit(a="2")
    driver.done(BUILD_A)
    assert driver.starts[TEST_A].reason == "new image"


def test_a_newer_edit_cancels_the_test_and_an_edit_of_the_test_the_placing() -> None:
    driver = Driver(A_IS_TESTED)
    driver.edit(a="1", b="1", u="1", test="1")
    driver.done(BUILD_A)
    assert set(nodes(driver.edit(a="2"), Cancel)) == {BUILD_B, TEST_A}
    driver.tell(Changed({TEST_A.target: "1b"}, ("t",), {TEST_A.target: "t changed"}))
    driver.tell(Cancelled(TEST_A))
    driver.tell(Cancelled(BUILD_B))
    driver.done(BUILD_A)
    assert driver.starts[TEST_A].reason == "t changed"
    driver.done(TEST_A)
    assert nodes(driver.edit(test="2"), Cancel) == [PLACE_A]


def test_in_run_a_failing_test_ends_it() -> None:
    driver = Driver(A_IS_TESTED, Policy(is_partial=False))
    driver.edit(a="1", b="1", u="1", test="1")
    driver.done(BUILD_A)
    assert set(nodes(driver.fail(TEST_A), Cancel)) == {BUILD_B, RENDER}
    assert not driver.state.is_placed("a")


def test_without_the_step_nothing_is_tested() -> None:
    driver = Driver(Graph({"a": (), "b": ()}, {"u": ()}, frozenset({"build", "place"}), tests=frozenset({"a"})))
    driver.edit(a="1", b="1", test="1")
    assert nodes(driver.done(BUILD_A), Start) == [PLACE_A]


def test_what_is_put_back_while_it_rolls_out_is_waited_for_again() -> None:
    driver = settled()
    driver.edit(u="2")
    driver.done(RENDER)
    driver.done(APPLY)
    driver.fail(READY)
    driver.edit(u="1")
    driver.done(RENDER)
    assert nodes(driver.done(APPLY), Start) == [READY]
    assert not driver.state.is_all_current
    assert any(isinstance(each, UpdateEnded) and each.is_ready for each in driver.done(READY))


def test_what_is_put_back_after_an_apply_failed_is_applied_again() -> None:
    driver = settled()
    driver.edit(u="2")
    driver.done(RENDER)
    driver.fail(APPLY)
    driver.edit(u="1")
    assert nodes(driver.done(RENDER), Start) == [APPLY]
    assert nodes(driver.done(APPLY), Start) == [READY]
