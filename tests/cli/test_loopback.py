"""The server of the pages: how it ends."""

import socket
import threading
import urllib.error
import urllib.request

import pytest

from jnst.cli.loopback import LoopbackServer, Requests


def get(address):
    """What a server answers."""
    with urllib.request.urlopen(address, timeout=30) as answer:
        return answer.read()


def test_the_end_waits_for_what_is_being_answered():
    """A thread that the end of the interpreter cuts off within JAX aborts the process."""
    came, go, ended = threading.Event(), threading.Event(), threading.Event()
    answers = []

    def app(_, start_response):
        came.set()
        assert go.wait(30)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"a late answer"]

    def stop():
        server.stop()
        ended.set()

    server = LoopbackServer(app)
    server.start()
    asking = threading.Thread(target=lambda: answers.append(get(server.address)))
    asking.start()
    assert came.wait(30)
    ending = threading.Thread(target=stop)
    ending.start()
    assert not ended.wait(0.5)  # far longer than it takes to end where nothing is being answered
    go.set()
    asking.join(30)
    ending.join(30)
    assert ended.is_set()
    assert answers == [b"a late answer"]
    with pytest.raises(urllib.error.URLError, match="refused"):
        get(server.address)


def test_a_request_after_the_end_is_not_answered():
    asked, told = [], []

    def app(*_):
        asked.append(True)
        return [b"an answer"]

    requests = Requests()
    answer = requests.counted(app)
    assert answer({}, lambda status, _: told.append(status)) == [b"an answer"]
    requests.end()
    assert answer({}, lambda status, _: told.append(status)) == []
    assert (len(asked), told) == (1, ["503 Service Unavailable"])


def test_a_server_that_never_served_frees_its_port():
    server = LoopbackServer(None)
    server.stop()
    LoopbackServer(None, server.port).stop()


def test_an_upload_that_stalls_does_not_hold_up_the_end(monkeypatch):
    """As where a tunnel is gone in the middle of a frame."""
    monkeypatch.setattr("jnst.cli.loopback.STALLED_SECONDS", 0.2)
    came = threading.Event()

    def app(environ, start_response):
        came.set()
        environ["wsgi.input"].read(5000)
        start_response("200 OK", [])
        return []

    server = LoopbackServer(app)
    server.start()
    with socket.create_connection(("127.0.0.1", server.port)) as upload:
        upload.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\nabc")
        assert came.wait(30)
        ending = threading.Thread(target=server.stop, daemon=True)
        ending.start()
        ending.join(20)
        assert not ending.is_alive()
