"""What the step `test` of an image does, in terms of the stage that knows how.

Comes in: a step that the loop starts, and the image that it depends on. Goes out: its outcome. It never decides whether a step is
needed; only whether these tests passed on this image before.
"""

from __future__ import annotations

from devloop.build import tests
from devloop.graph import Node, image_target
from devloop.loop.messages import Start
from devloop.loop.surroundings import Products, Surroundings, image_of
from devloop.loop.track import Listing
from devloop.products import Outcome, Passed
from devloop.scope import Cancelled, Scope
from devloop.store.passes import Passes


class ImageTests:
    """The tests of all images of a session. `passed`: what passed in earlier sessions."""

    def __init__(self, around: Surroundings, passed: Passes) -> None:
        self._around = around
        self._passed = passed

    def listing(self, artifact: str) -> Listing:
        """How to list what the tests of an artifact read."""
        listed, base, tools = self._around.tests_of(artifact), self._around.plan.base, self._around.tools()
        return Listing(lambda scope: tests.inputs(scope, listed, base, tools), base)

    def test(self, scope: Scope, start: Start, product: Products) -> Outcome:
        """Blocks; cancelled by the scope. Raises: DevloopError, Cancelled."""
        target = start.node.target
        artifact, base = target.removeprefix("test/"), self._around.plan.base
        image = image_of(product(Node(image_target(artifact), "build")))
        tested = Passed(artifact, image.image_id)
        if self._passed.has(base, image.image_id, start.inputs):
            return Outcome(tested, skipped="passed before")
        count = tests.run(scope, self._around.tests_of(artifact), image.ref, base, self._around.tools(target))
        if moved := self._around.tracker.confirm(scope, target, start.inputs):
            self._around.post(moved)
            raise Cancelled("what the tests read changed while they ran")
        return Outcome(tested, note=f"{count} passed" + self._keep(image.image_id, start.inputs))

    def _keep(self, image_id: str, inputs: str) -> str:
        """Remembers that it passed; else why that cannot be, as a part of the note."""
        try:
            self._passed.add(self._around.plan.base, image_id, inputs)
        except OSError as exc:
            return f"; that cannot be remembered: {exc.strerror}"
        return ""
