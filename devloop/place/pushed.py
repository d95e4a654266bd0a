"""Layers by letting the engine push to us: only what is new to it moves, in milliseconds, where `docker save` copies all.

Comes in: an image of an engine on this machine. Goes out: its config and the wanted layers. The push is cancelled as soon as
they are here, so that layers which the engine would send for nothing cost nothing. It takes no longer than saving would.
"""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from devloop.errors import StepFailed
from devloop.place.loopback import Receiver, listening
from devloop.place.oci import Content
from devloop.place.saved import from_save
from devloop.place.source import LayerSource
from devloop.scope import Scope
from devloop.stages import Engine, EngineImage

SAVE_BYTES_PER_S = 130e6  # measured: dockerd 20.10 materialises every layer before it sends the first byte
LEAST_PATIENCE_S = 1.0
CLAIM_PATIENCE_S = 0.3
CONFIG_PATIENCE_S = 0.05


class PushedSource:
    """Asks the engine to push; asks `otherwise` where that brings nothing. Safe from many threads.

    The config is the engine's own when the push gets that far. When the engine sends layers that nobody wants (it has never pushed
    nor pulled them), the config is made from what inspect says: equal in meaning, so the image has another id on the node.
    """

    def __init__(self, otherwise: LayerSource = from_save) -> None:
        self._otherwise = otherwise
        self._is_unreachable = False

    def __call__(
        self, scope: Scope, engine: Engine, image: EngineImage, wanted: frozenset[str], spool: IO[bytes]
    ) -> Content:
        if self._is_unreachable or not _is_worth_it(image, wanted):
            return self._otherwise(scope, engine, image, wanted, spool)
        # The first time the engine is told that we have what it sent anywhere before. Where that was one of the wanted, not again.
        received = self._push(scope, engine, image, Receiver(spool, wanted, image.image_id, claims=True))
        if not received.has_wanted and received.claimed:
            received = self._push(scope, engine, image, Receiver(spool, wanted, image.image_id, claims=False))
        if received.has_wanted:
            return Content(received.config or image.config, received.blobs, spool.fileno())
        spool.seek(0)
        spool.truncate()
        return self._otherwise(scope, engine, image, wanted, spool)

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
            if waited_s > patience_s or (waited_s > CLAIM_PATIENCE_S and _may_have_claimed_too_much(receiver, image)):
                return
            receiver.news.wait(0.01)
            scope.check()


def _is_enough(receiver: Receiver) -> bool:
    if not receiver.has_wanted or receiver.config is not None:
        return receiver.has_wanted
    # The config comes last. While the engine still sends layers, after the wanted ones are here, it sends what nobody wants.
    is_quiet = time.monotonic() - receiver.changed_at > CONFIG_PATIENCE_S
    return is_quiet and receiver.begun > receiver.finished


def _may_have_claimed_too_much(receiver: Receiver, image: EngineImage) -> bool:
    """Whether the numbers do not show that every wanted layer is on its way and only others were claimed."""
    unwanted = len(set(image.layers) - receiver.wanted)
    return bool(receiver.claimed) and (len(receiver.claimed) > unwanted or receiver.begun > len(receiver.wanted))
