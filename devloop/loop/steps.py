"""What each step does, each in terms of the stage that knows how: those of images, of their tests, and of units.

Comes in: a step that the loop starts, and the products that it depends on. Goes out: its outcome. It never decides whether a step is
needed.
"""

from __future__ import annotations

from devloop.errors import StepFailed
from devloop.graph import image_target, image_test_target, unit_target
from devloop.loop.image_steps import ImagePolicy, ImageSteps
from devloop.loop.image_tests import ImageTests
from devloop.loop.messages import Start
from devloop.loop.surroundings import Plan, Products, Surroundings
from devloop.loop.track import Listing
from devloop.loop.unit_steps import UnitSteps
from devloop.products import Outcome
from devloop.scope import Scope
from devloop.stages import ApiRefusal
from devloop.store.passes import Passes


class Steps:
    """Runs the steps of a session. `passed`: what ended well in earlier ones: tests of images, hooks."""

    def __init__(self, around: Surroundings, policy: ImagePolicy, passed: Passes | None = None) -> None:
        self._around = around
        remembered = passed or Passes()
        self._images = ImageSteps(around, policy)
        self._tests = ImageTests(around, remembered)
        self._units = UnitSteps(around, remembered)

    @property
    def plan(self) -> Plan:
        """The configuration that steps work by."""
        return self._around.plan

    @plan.setter
    def plan(self, plan: Plan) -> None:
        self._around.plan = plan

    def __call__(self, scope: Scope, start: Start, product: Products) -> Outcome:
        """Runs one step. Blocks; cancelled by the scope. Raises: DevloopError, Cancelled."""
        if start.node.step in ("build", "test", "render"):
            self.check_inputs(start.node.target)
        try:
            match start.node.step:
                case "build":
                    return self._images.build(scope, start, product)
                case "test":
                    return self._tests.test(scope, start, product)
                case "place":
                    return self._images.place(scope, start, product)
                case "render":
                    return self._units.render(scope, start)
                case "await":
                    return self._units.await_needs(scope, start)
                case "apply":
                    return self._units.apply(scope, start, product)
                case _:
                    return self._units.ready(scope, start, product)
        except ApiRefusal as exc:
            raise StepFailed(f"the API server refused: {exc.message}", where=start.node.target) from exc

    def tidy(self, scope: Scope) -> int:
        """Removes images that newer ones superseded, from the engine and the nodes; how many. Blocks. Raises: DevloopError."""
        return self._images.tidy(scope)

    def check_inputs(self, target: str) -> None:
        """Raises: StepFailed when the target's inputs cannot be told."""
        if problem := self._around.tracker.problem(target):
            raise problem

    def listings(self) -> dict[str, Listing]:
        """How to list the inputs of every target of the plan."""
        return {
            **{image_target(name): self._images.listing(each) for name, each in self.plan.artifacts.items()},
            **{
                image_test_target(name): self._tests.listing(name)
                for name in self.plan.artifacts
                if self._around.tests_of(name)
            },
            **{unit_target(name): self._units.listing(each) for name, each in self.plan.units.items()},
        }
