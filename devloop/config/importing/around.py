"""What converting one configuration of Skaffold has to know besides its text.

Comes in: where its file lies, how variables are spelt, whether there are manifests where Skaffold looks for them by itself. Goes out:
paths and templates as devloop's tree has them. Pure.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from devloop.config.importing.fields import Fields, each_text
from devloop.config.importing.notes import Notes
from devloop.config.importing.templates import NotToldError, Spell, fill, is_template
from devloop.config.tree import Node, Scalar


@dataclass(frozen=True)
class Around:
    """`folder`: of the file, relative to the one of the first file. `name`: of the configuration, "" for the only one.
    `has_manifests`: whether something is at `k8s/*.yaml`. `images`: of all artifacts, in their order. `context`: of the artifact at hand.
    `platforms`: of all artifacts that say nothing else.
    """

    notes: Notes
    spell: Spell
    folder: str = "."
    name: str = ""
    has_manifests: bool = False
    images: tuple[str, ...] = ()
    context: str = "."
    platforms: Node | None = None

    def path(self, node: Node | None) -> Node | None:
        """A path, or a list of them, relative to the first file."""
        return each_text(node, lambda each: Scalar(each.place, self.rebased(each.text)))

    def rebased(self, path: str) -> str:
        if self.folder == "." or posixpath.isabs(path) or "://" in path:
            return path
        return posixpath.normpath(posixpath.join(self.folder, path))

    def templated(self, fields: Fields, key: str) -> Node | None:
        """A field whose templates are filled in. What cannot be is noted, and left out."""
        return self.fill(fields.take(key), fields.at(key))

    def fill(self, node: Node | None, path: str) -> Node | None:
        def change(each: Scalar) -> Scalar | None:
            if not is_template(each.text):
                return each
            try:
                return Scalar(each.place, fill(each.text, self.spell))
            except NotToldError as exc:
                self.notes.add(each.place, path, str(exc), matters=True)
                return None

        return each_text(node, change)
