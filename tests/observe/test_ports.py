"""Listening on this machine's ports, and telling who has them."""

from __future__ import annotations

import socket
import sys

import pytest

from devloop.observe import ports


def taken() -> socket.socket:
    """A listener on a port that has a free one near it."""
    return socket.create_server(("127.0.0.1", 0))


def test_a_free_port_is_listened_on() -> None:
    with taken() as other:
        port: int = other.getsockname()[1]
    with ports.listen_on("127.0.0.1", port) as listener, socket.create_connection(("127.0.0.1", port)):
        assert listener.getsockname()[1] == port


def test_a_taken_port_says_so() -> None:
    with taken() as other:
        port = other.getsockname()[1]
        with pytest.raises(ports.PortTaken) as caught:
            ports.listen_on("127.0.0.1", port)
        assert caught.value.why().startswith(f"port {port} is taken")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_the_holder_of_a_port_is_named() -> None:
    with taken() as other:
        assert ports.holder(other.getsockname()[1]) == "this devloop"


def test_the_next_free_port_is_taken_instead_and_why_is_told() -> None:
    with taken() as other:
        port = other.getsockname()[1]
        listener, found, why = ports.listen_near("127.0.0.1", port)
        with listener:
            assert port < found <= port + 10
            assert why.startswith(f"port {port} is taken")


def test_an_address_that_is_not_this_machines_says_so() -> None:
    with pytest.raises(ports.PortTaken) as caught:
        ports.listen_on("203.0.113.1", 8080)
    assert caught.value.why().startswith("cannot listen on 203.0.113.1 port 8080")
