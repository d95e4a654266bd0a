"""A renderer, and what is done to its objects before they are deployed.

Comes in: the renderer of a unit, and the unit's `then` and `transforms`. Goes out: a renderer whose inputs are those of every step, and
whose objects know where they were written as far as it can be told. It knows nothing of how the first renderer works.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from devloop.config import model
from devloop.products import Inputs, Manifest
from devloop.render import custom, kustomize, transforms
from devloop.render.files import program_value
from devloop.scope import Scope
from devloop.stages import Renderer, Tools


class ChainRenderer:
    """Renders units with steps after the first: see `stages.Renderer`."""

    def __init__(self, first: Renderer) -> None:
        self._first = first

    def inputs(self, scope: Scope, unit: model.Unit, base: Path, tools: Tools) -> Inputs:
        """What any of the steps reads. Blocks on the disk, and as the steps do."""
        parts = [self._first.inputs(scope, unit, base, tools)]
        for step in unit.then:
            if step.kustomize is not None:
                parts.append(kustomize.inputs(step.kustomize, base, tools))
            if step.custom is not None:
                parts.append(custom.inputs(scope, step.custom, base, tools, f"deploy/{unit.name}"))
        values = (("yq", program_value(tools.processes.find("yq"))),) if unit.transforms else ()
        return together(base, parts, values)

    def render(self, scope: Scope, unit: model.Unit, base: Path, namespace: str, tools: Tools) -> tuple[Manifest, ...]:
        """All steps in their order. Blocks; cancelled by the scope. Raises: what the step that fails raises."""
        found = self._first.render(scope, unit, base, namespace, tools)
        for step in unit.then:
            if step.kustomize is not None:
                found = kustomize.over(scope, step.kustomize, found, base, tools)
            if step.custom is not None:
                found = custom.run(scope, step.custom, base, tools, unit=unit.name, namespace=namespace, given=found)
        return transforms.apply(scope, unit.transforms, found, tools, unit.name)


def together(base: Path, parts: Sequence[Inputs], values: tuple[tuple[str, str], ...] = ()) -> Inputs:
    """What any of the parts reads; what decides for one decides for all. Pure."""
    return Inputs(
        base=base,
        files=tuple(sorted({path for each in parts for path in each.files})),
        roots=tuple(sorted({root for each in parts for root in each.roots})),
        matches=lambda path: any(each.matches(path) for each in parts),
        definitions=frozenset(path for each in parts for path in each.definitions),
        values=(
            *((f"{number} {key}", value) for number, each in enumerate(parts) for key, value in each.values),
            *values,
        ),
        is_definition=_any([each.is_definition for each in parts if each.is_definition is not None]),
        skips=lambda folder: all(_leaves_out(each, folder) for each in parts),
        why=lambda path: _why(parts, path),
        images=tuple(dict.fromkeys(image for each in parts for image in each.images)),
    )


def _why(parts: Sequence[Inputs], path: Path) -> str:
    """The rule of the first step that reads it; what each of them says where none does."""
    reading = [each.why(path) for each in parts if each.matches(path)]
    return reading[0] if reading else "; ".join(dict.fromkeys(each.why(path) for each in parts))


def _any(tests: Sequence[Callable[[Path], bool]]) -> Callable[[Path], bool] | None:
    return (lambda path: any(each(path) for each in tests)) if tests else None


def _leaves_out(part: Inputs, folder: Path) -> bool:
    """Also when the folder has nothing to do with what the part watches."""
    is_near = any(root == folder or root in folder.parents or folder in root.parents for root in part.roots)
    return not is_near or part.leaves_out(folder)
