"""The server of the pages: how it ends."""

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
