"""A project of Skaffold as one tree of devloop's.

Comes in: the first file, and a way to read the others that it requires. Goes out: a tree that devloop's own steps take from there (every
value with its place in the skaffold.yaml), the files that were read, and notes of what is not carried. It reads by `Disk` only.

Several configurations, of one file or of several, become one: artifacts and units side by side, paths relative to the first file. A
profile is worked out by Skaffold's rules, and what it changes is what devloop's profile of that name says.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from devloop.config import model, tree
from devloop.config.importing import activation, build, deploy, difference, others, overlay
from devloop.config.importing.around import Around
from devloop.config.importing.fields import Fields, listed, mapping, text
from devloop.config.importing.notes import Note, Notes
from devloop.config.importing.templates import Spell
from devloop.config.names import did_you_mean, is_label, to_label
from devloop.config.paths import problem
from devloop.config.tree import List, Map, Node, Place, Scalar
from devloop.errors import ConfigError, Problem, UsageError

NAMES = ("skaffold.yaml", "skaffold.yml")
_VERSIONS = ("v2beta29", "v3alpha1", *(f"v4beta{number}" for number in range(1, 15)))
_VERSION = re.compile(r"v([0-9]{1,9})(alpha|beta)?([0-9]{0,9})")
_RANKS = {"alpha": 0, "beta": 1, None: 2}


@dataclass(frozen=True)
class Disk:
    """What converting asks the disk. `read`: a file by its path, as bytes (raises UsageError); `shown`: how places name it."""

    read: Callable[[Path], bytes]
    shown: Callable[[Path], str]
    is_folder: Callable[[Path], bool]
    has_manifests: Callable[[Path], bool]


@dataclass(frozen=True)
class Imported:
    """A tree of devloop's. `problems`: of the files, in spite of which they could be read. `is_filled`: a `$` in it is a dollar."""

    root: Map
    files: tuple[Path, ...]
    notes: tuple[Note, ...]
    problems: tuple[Problem, ...] = ()
    is_filled: bool = False


@dataclass
class _Config:
    """One configuration of a file. `required`: the others, each with the profiles that are active there: always, or by one of this one."""

    file: Path
    root: Map
    name: str
    required: list[tuple[_Config, tuple[tuple[str, tuple[str, ...]], ...]]] = field(default_factory=list)

    @property
    def profiles(self) -> Mapping[str, tuple[Map, int]]:
        found = self.root.values.get("profiles")
        items = found.items if isinstance(found, List) else ()
        named = ((each.values.get("name"), each, index) for index, each in enumerate(items) if isinstance(each, Map))
        return {name.text: (each, index) for name, each, index in named if isinstance(name, Scalar)}


def convert(file: Path, disk: Disk, spell: Spell) -> Imported:
    """The project that begins with this file. Blocks on the disk.

    Raises: ConfigError when a file cannot be read as one of Skaffold's, or its version is another; UsageError when one is not there.
    """
    reading = _Reading(disk)
    first = reading.file(file)
    return _Conversion(file.parent, disk, spell, reading).project(first)


class _Reading:
    """Reads files and follows what they require, each once."""

    def __init__(self, disk: Disk) -> None:
        self.notes = Notes()
        self.problems: list[Problem] = []
        self.files: dict[Path, list[_Config]] = {}
        self._disk = disk

    def file(self, path: Path) -> list[_Config]:
        """Its configurations, with what they require. One that requires itself is read once."""
        if path in self.files:
            return self.files[path]
        configs = self.files[path] = []
        for each in tree.documents(self._disk.read(path), self._disk.shown(path)):
            self.problems += each.problems
            _require_version(each.root)
            name = Fields(each.root, "", Notes()).record("metadata")
            configs.append(_Config(path, each.root, name.text("name") if name else ""))
        for config in configs:
            self._follow(config)
        return configs

    def _follow(self, config: _Config) -> None:
        for entry in Fields(config.root, "", self.notes).records("requires"):
            entry.leave(
                "only folders of this machine are read: fetch it, and give its `path`",
                "git", "googleCloudStorage", "googleCloudBuildRepoV2", matters=True,
            )  # fmt: skip
            active = tuple(self._active(entry))
            wanted = [each.text for each, _ in entry.items("configs") if isinstance(each, Scalar)]
            path = entry.take("path")
            is_elsewhere = any(entry.has(each) for each in ("git", "googleCloudStorage", "googleCloudBuildRepoV2"))
            entry.done()
            if is_elsewhere:
                continue
            found = self._there(config, path, entry) if isinstance(path, Scalar) else self.files[config.file]
            self._check_names(entry, wanted, found)
            config.required += [
                (each, active) for each in found if (each.name in wanted if wanted else each is not config)
            ]

    def _there(self, config: _Config, path: Scalar, entry: Fields) -> list[_Config]:
        """Raises: ConfigError when there is no such file."""
        file = self._at(config, path.text)
        try:
            return self.file(file)
        except UsageError as exc:
            found = problem(path.place, exc.message, ("requires",), "a path is relative to the folder of this file")
            raise ConfigError((found,), (file,)) from exc

    def _check_names(self, entry: Fields, wanted: Sequence[str], found: Sequence[_Config]) -> None:
        for name in wanted:
            if name not in [each.name for each in found]:
                hint = did_you_mean(name, [each.name for each in found])
                text_ = f"there is no configuration `{name}`" + (f"; {hint}" if hint else "")
                self.notes.add(entry.place, entry.at("configs"), text_, matters=True)

    def _at(self, config: _Config, path: str) -> Path:
        there = Path(posixpath.normpath(config.file.parent / path))
        if not self._disk.is_folder(there):
            return there
        return there / NAMES[0]

    def _active(self, entry: Fields) -> Iterator[tuple[str, tuple[str, ...]]]:
        for each in entry.records("activeProfiles"):
            by = tuple(name.text for name, _ in each.items("activatedBy") if isinstance(name, Scalar))
            yield each.text("name"), by
            each.done()


class _Conversion:
    def __init__(self, base: Path, disk: Disk, spell: Spell, reading: _Reading) -> None:
        self._base = base
        self._disk = disk
        self._spell = spell
        self._reading = reading
        self._notes = reading.notes

    def project(self, first: list[_Config]) -> Imported:
        below = self._whole(first, None, self._notes)
        profiles = [self._profile(first, name, below) for name in self._profile_names(first)]
        root = first[0].root
        entries = [
            ("apiVersion", text(_place(root, "apiVersion"), model.API_VERSION)),
            ("metadata", self._metadata(first[0])),
            *((key.text, value) for key, value in below.entries),
            ("profiles", listed(_place(root, "profiles"), profiles)),
        ]
        files = tuple(self._reading.files)
        return Imported(mapping(root.place, *entries), files, self._notes.sorted, tuple(self._reading.problems))

    def _metadata(self, config: _Config) -> Map | None:
        found = Fields(config.root, "", self._notes).record("metadata")
        name = found.take("name") if found else None
        if found is None or not isinstance(name, Scalar):
            return None
        return mapping(found.place, ("name", text(name.place, to_label(name.text))))

    def _profile_names(self, first: Sequence[_Config]) -> Sequence[str]:
        """Those that can be asked for. One is active in every configuration that has a profile of its name."""
        everywhere = [config for config, _ in self._all(first, None)]
        return list(dict.fromkeys(name for config in [*first, *everywhere] for name in config.profiles))

    def _all(self, first: Sequence[_Config], asked: str | None) -> list[tuple[_Config, tuple[str, ...]]]:
        """All configurations, what is required first, each with its active profiles."""
        found: dict[int, tuple[_Config, tuple[str, ...]]] = {}
        visited: set[int] = set()

        def visit(config: _Config, active: tuple[str, ...]) -> None:
            if id(config) in visited:
                return
            visited.add(id(config))
            own = tuple(each for each in dict.fromkeys(active) if each in config.profiles)
            for other, rules in config.required:
                more = tuple(name for name, by in rules if not by or set(by) & set(active))
                visit(other, (*more, *((asked,) if asked else ())))
            found[id(config)] = (config, own)

        for each in first:
            visit(each, (asked,) if asked else ())
        return list(found.values())

    def _whole(self, first: Sequence[_Config], asked: str | None, notes: Notes) -> Map:
        """All configurations as one, without `profiles`. `asked`: the profile that is active."""
        parts = [self._one(config, active, notes) for config, active in self._all(first, asked)]
        made = parts[0]
        for each in parts[1:]:
            made = _together(made, each)
        return _distinct(made)

    def _one(self, config: _Config, active: Sequence[str], notes: Notes) -> Map:
        root = config.root
        for name in active:
            profile, index = config.profiles[name]
            root = overlay.with_profile(root, profile, ("profiles", index))
            for key in _OF_THE_FILE:
                if not _is_same(config.root.values.get(key), root.values.get(key)):
                    reason = f"a profile does not change `{key}` here"
                    notes.add(profile.place, f"profiles[{index}].patches", reason, matters=True)
        fields = Fields(root, "", notes)
        for key in _OF_THE_FILE:
            fields.take(key)
        metadata = fields.record("metadata")
        if metadata:
            metadata.take("name")
            metadata.leave("they are Skaffold's own", "labels", "annotations")
            metadata.done()
        parts = fields.record("build")
        manifests, deployed = fields.record("manifests"), fields.record("deploy")
        around = self._around(config, build.images(parts), notes)
        units = deploy.convert(around, root.place, manifests, deployed)
        cluster, logs = deploy.settings(deployed)
        made = mapping(
            root.place,
            ("build", build.convert(around, parts)),
            ("test", listed(_place(root, "test"), list(others.tests(around, fields)))),
            ("deploy", units),
            ("cluster", cluster),
            ("portForward", listed(_place(root, "portForward"), list(others.forwards(around, fields)))),
            ("logs", logs),
            ("imagePaths", listed(_place(root, "resourceSelector"), list(others.image_paths(fields)))),
        )
        others.leave(fields)
        fields.done()
        return made

    def _around(self, config: _Config, images: tuple[str, ...], notes: Notes) -> Around:
        folder = posixpath.relpath(config.file.parent, self._base)
        return Around(notes, self._spell, folder, config.name, self._disk.has_manifests(config.file.parent), images)

    def _profile(self, first: Sequence[_Config], name: str, below: Map) -> Map:
        notes = Notes()
        written = [config.profiles[name] for config, _ in self._all(first, name) if name in config.profiles]
        own = [each.profiles[name] for each in first if name in each.profiles]
        profile, index = (own or written)[0]
        fields = Fields(profile, f"profiles[{index}]", self._notes)
        named = fields.take("name")
        made = mapping(
            profile.place, ("name", self._label(fields, named, name)), ("activation", activation.convert(fields))
        )
        try:
            wanted = self._whole(first, name, notes)
        except ConfigError as exc:
            self._notes.add(profile.place, f"{fields.path}.patches", exc.message, matters=True)
            wanted = below
        self._notes.extend(notes.sorted, to_label(name))
        for key in ("patches", *_PROFILE_SECTIONS):
            fields.take(key)
        fields.done()
        return Map(made.place, (*made.entries, *difference.between(below, wanted, model.Project).entries))

    def _label(self, fields: Fields, node: Node | None, name: str) -> Node:
        place = node.place if node else fields.place
        if is_label(name):
            return text(place, name)
        self._notes.add(
            place, fields.at("name"), f"a profile's name is a label, so this one is called `{to_label(name)}`"
        )
        return text(place, to_label(name))


_OF_THE_FILE = ("apiVersion", "kind", "metadata", "requires", "profiles")
_PROFILE_SECTIONS = (
    "build", "test", "manifests", "deploy", "portForward", "resourceSelector", "verify", "customActions",
)  # fmt: skip


def _is_same(one: Node | None, other: Node | None) -> bool:
    return one is other or (one is not None and other is not None and difference.is_same(one, other))


def _place(root: Map, key: str) -> Place:
    return root.values[key].place if key in root.values else root.place


def _together(one: Map, other: Map) -> Map:
    """Two configurations as one: lists one after the other, and of single values the last one's."""
    entries = dict(one.values)
    for key, value in other.entries:
        old = entries.get(key.text)
        if isinstance(old, List) and isinstance(value, List):
            entries[key.text] = List(old.place, (*old.items, *value.items))
        elif isinstance(old, Map) and isinstance(value, Map):
            entries[key.text] = _together(old, value)
        else:
            entries[key.text] = value
    return mapping(other.place, *entries.items())


def _distinct(made: Map) -> Map:
    """With units that all have names of their own."""
    units = made.values.get("deploy")
    if not isinstance(units, List):
        return made
    named = List(units.place, tuple(deploy.unique([each for each in units.items if isinstance(each, Map)])))
    return mapping(made.place, *((key.text, named if key.text == "deploy" else value) for key, value in made.entries))


def _require_version(root: Map) -> None:
    """Raises: ConfigError for what is no configuration of Skaffold, or one of another version."""
    version = root.values.get("apiVersion")
    written = version.text if isinstance(version, Scalar) else ""
    place = version.place if version else root.place
    hint: str | None
    known = f"{_VERSIONS[0]} to {_VERSIONS[-1]}"
    if not written.startswith("skaffold/"):
        message, hint = (
            f"this is no configuration of Skaffold ({known})",
            f"its first line is `apiVersion: skaffold/{_VERSIONS[-1]}`",
        )
    elif written.removeprefix("skaffold/") in _VERSIONS:
        kind = root.values.get("kind")
        if kind is None or (isinstance(kind, Scalar) and kind.text == "Config"):
            return
        place, message, hint = kind.place, "this is not the configuration of a project", "its `kind` is `Config`"
    elif _is_older(written.removeprefix("skaffold/")):
        message = f"`{written}` is older than what devloop reads ({known})"
        hint = "let Skaffold bring it up to date: `skaffold fix --overwrite`"
    else:
        message = f"`{written}` is no version that devloop reads ({known})"
        hint = did_you_mean(written, [f"skaffold/{each}" for each in _VERSIONS], "a newer devloop may read it")
    raise ConfigError((problem(place, message, ("apiVersion",), hint),))


def _is_older(version: str) -> bool:
    found = _VERSION.fullmatch(version)
    return found is not None and (int(found[1]), _RANKS[found[2]], int(found[3] or 0)) < (2, 1, 29)
