"""Layers by letting the engine push to us: only what is new to it moves, in milliseconds, where `docker save` copies all.

Comes in: an image of an engine on this machine. Goes out: its config and the wanted layers. The push is cancelled as soon as
they are here, so that layers which the engine would send for nothing cost nothing. It takes no longer than saving would.
"""

from __future__ import annotations

import secrets
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO

from devloop.errors import StepFailed
from devloop.place.loopback import Receiver, listening
from devloop.place.oci import Content, digests_in
from devloop.place.saved import from_save
from devloop.place.source import LayerSource
from devloop.scope import Scope
from devloop.stages import Engine, EngineImage

SAVE_BYTES_PER_S = 130e6  # measured: dockerd 20.10 materialises every layer before it sends the first byte
LEAST_PATIENCE_S = 1.0
GUESS_PATIENCE_S = 0.3
CONFIG_PATIENCE_S = 0.05


class PushedSource:
    """Asks the engine to push; asks `otherwise` where that brings nothing. Safe from many threads.

    How engines ask differs. One with the classic store asks for layers that it pushed or pulled before, and sends the others first,
    the config last. One with containerd's store asks for every blob by the digest that it is stored under, base first: those of
    unwanted layers have to be known, or a small change waits behind the whole image. An image's manifest tells them.

    The config is the engine's own when the push gets that far. When the engine sends layers that nobody wants (it has never pushed
    nor pulled them), the config is made from what inspect says: equal in meaning, so the image has another id on the node.
    """

    def __init__(self, otherwise: LayerSource = from_save) -> None:
        self._otherwise = otherwise
        self._is_unreachable = False
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}  # digest of a layer's blob → diff ID

    def __call__(
        self, scope: Scope, engine: Engine, image: EngineImage, wanted: frozenset[str], spool: IO[bytes]
    ) -> Content:
        if self._is_unreachable or not _is_worth_it(image, wanted):
            return self._otherwise(scope, engine, image, wanted, spool)
        known = self._known_so_far()
        guesses = not set(image.layers) - wanted <= set(known.values())
        received = self._push(scope, engine, image, Receiver(spool, image, wanted, known, guesses=guesses))
        # Where a guess was one of the wanted, there is none the second time. By then the manifest may have told what is what.
        is_all = received.has_wanted and (received.config is not None or not received.manifests)
        if not is_all and received.guessed:
            spool.seek(0)
            spool.truncate()
            again = Receiver(spool, image, wanted, self._known_so_far(), guesses=False)
            received = self._push(scope, engine, image, again)
        if received.has_wanted:
            return Content(received.config or image.config, received.blobs, spool.fileno())
        spool.seek(0)
        spool.truncate()
        return self._otherwise(scope, engine, image, wanted, spool)

    def _known_so_far(self) -> Mapping[str, str]:
        with self._lock:
            return dict(self._known)

    def _learn(self, manifests: Iterable[bytes], image: EngineImage) -> None:
        """Of an image for several platforms there may be several; what a wrong one says is found out by what the blobs hash to."""
        for manifest in manifests:
            found = digests_in(manifest)
            if found is not None and len(found[1]) == len(image.layers):
                with self._lock:
                    self._known.update(zip(found[1], image.layers, strict=True))

    def _push(self, scope: Scope, engine: Engine, image: EngineImage, receiver: Receiver) -> Receiver:
        name = f"devloop-{secrets.token_hex(8)}"
        over: list[str] = []
        with (
            scope.child("push to ourselves") as inner,
            listening(inner, receiver, name) as port,
            _named(engine, image, f"127.0.0.1:{port}/{name}:push") as ref,
            inner.child("push") as pushing,
        ):
            pushing.spawn("push", lambda: _push(pushing, engine, ref, receiver, over))
            _wait(pushing, receiver, image, over)
            pushing.cancel()
        self._learn(receiver.manifests, image)
        if over and not receiver.was_reached:
            self._is_unreachable = True
        return receiver


def is_near(engine: Engine) -> bool:
    """Whether the engine's loopback is ours: it listens on the usual socket of a Linux machine, and is in no virtual machine."""
    where = engine.environment()
    is_local = where.get("DOCKER_CONTEXT") == "default" or where.get("DOCKER_HOST", "").startswith("unix:///")
    if sys.platform != "linux" or not is_local:
        return False
    info = engine.info()
    return (
        "Docker Desktop" not in info.operating_system and not info.is_podman
    )  # which takes our loopback for no safe place


def _is_worth_it(image: EngineImage, wanted: frozenset[str]) -> bool:
    """Not where even the base is wanted: compressing all of it, as a push does, takes longer than copying it."""
    # Without another name the image would go with ours.
    return bool(image.tags and image.config) and not (image.layers and image.layers[0] in wanted)


@contextmanager
def _named(engine: Engine, image: EngineImage, ref: str) -> Iterator[str]:
    engine.tag(image.image_id, ref)
    try:
        yield ref
    finally:
        engine.untag(ref)


def _push(scope: Scope, engine: Engine, ref: str, receiver: Receiver, over: list[str]) -> None:
    try:
        engine.push(scope, ref)
        over.append("pushed")
    except StepFailed as failed:
        over.append(failed.message)  # what came until then may do; if not, another source is asked
    finally:
        with receiver.news:
            receiver.news.notify_all()


def _wait(scope: Scope, receiver: Receiver, image: EngineImage, over: list[str]) -> None:
    """Blocks until the push is over, or brought enough, or is not going to in time."""
    began_at = time.monotonic()
    patience_s = max(LEAST_PATIENCE_S, image.size_bytes / SAVE_BYTES_PER_S)
    with receiver.news:
        while not over and not _is_enough(receiver):
            waited_s = time.monotonic() - began_at
            if waited_s > patience_s or (waited_s > GUESS_PATIENCE_S and _may_have_guessed_wrong(receiver, image)):
                return
            receiver.news.wait(0.01)
            scope.check()


def _is_enough(receiver: Receiver) -> bool:
    if not receiver.has_wanted or receiver.config is not None:
        return receiver.has_wanted
    # The config comes last. While the engine still sends layers, after the wanted ones are here, it sends what nobody wants.
    is_quiet = time.monotonic() - receiver.changed_at > CONFIG_PATIENCE_S
    return is_quiet and receiver.begun > receiver.finished


def _may_have_guessed_wrong(receiver: Receiver, image: EngineImage) -> bool:
    """Whether layers come that nobody wants, and the numbers do not show that every wanted one is on its way."""
    unwanted = len(set(image.layers) - receiver.wanted)
    is_busy = receiver.begun > receiver.finished
    return (
        is_busy
        and bool(receiver.guessed)
        and (len(receiver.guessed) > unwanted or receiver.begun > len(receiver.wanted))
    )
