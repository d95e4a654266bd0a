"""What the configuration says of tests of images, as frozen data; a part of `model`, which has all its names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from devloop.config.documented import doc as _doc


@dataclass(frozen=True)
class CustomTestDependencies:
    """What a test reads besides the image."""

    paths: tuple[str, ...] | None = _doc(
        "Files, folders or globs (`**` matches any depth), relative to the context. Default: the files and folders in it that words of the "
        "command name.",
        default=None,
    )
    ignore: tuple[str, ...] = _doc("Globs to leave out, relative to the context.", default=())
    command: str | None = _doc(
        "A shell command, run in the context, that prints the paths one a line; replaces `paths`.",
        default=None,
        shell=True,
    )


@dataclass(frozen=True)
class CustomTest:
    """A command that tests an image; it passes with exit code 0."""

    command: str = _doc(
        "A shell command, run in the context. It gets IMAGE, IMAGE_REPO and IMAGE_TAG; the image is in the engine.",
        examples=["docker run --rm $IMAGE python3 -m pytest"],
        shell=True,
    )
    timeout_seconds: int = _doc("How long it may take; 0 for no limit.", default=0, minimum=0)
    dependencies: CustomTestDependencies = _doc(
        "What the test reads; an edit of it tests again, and builds nothing.", default=CustomTestDependencies()
    )


@dataclass(frozen=True)
class ImageTest:
    """Tests of an image, run when it is built and before it is placed; what passed is not run again for the same image."""

    merged_by: ClassVar[tuple[str, ...]] = ("image",)

    image: str = _doc("The `image` of an artifact of this file.", examples=["shop/api"])
    context: str = _doc("The folder with the tests, relative to this file.", default=".", path="path")
    custom: tuple[CustomTest, ...] = _doc("Commands, run one after the other.", default=())
    structure_tests: tuple[str, ...] = _doc(
        "Files of container-structure-test, or globs, relative to the context.",
        default=(),
        examples=[["tests/structure/*.yaml"]],
    )
    structure_tests_args: tuple[str, ...] = _doc(
        "More words for `container-structure-test test`.", default=(), examples=[["--quiet"]]
    )
