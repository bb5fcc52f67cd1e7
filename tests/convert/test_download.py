"""Downloads from a server on this machine that cuts, drips, lies and goes away."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from weight_server import CONTENT, NAME, Handler, Server, ranged, serving, status, whole

from jnst.convert.fetch import TORCHVISION_URL, download, download_path


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr("jnst.convert.fetch.FIRST_WAIT", 0.001)
    with serving() as server:
        yield server


def part(folder):
    return folder / f"{NAME}.part"


def test_a_whole_file(server, tmp_path):
    calls = []
    path = download(
        server.url, tmp_path / "new" / "folder", progress=lambda *numbers: calls.append(numbers)
    )
    assert path == tmp_path / "new" / "folder" / NAME
    assert path.read_bytes() == CONTENT
    assert [file.name for file in path.parent.iterdir()] == [NAME]
    assert calls[0] == (0, len(CONTENT))
    assert calls[-1] == (len(CONTENT), len(CONTENT))
    assert calls == sorted(calls)
    assert server.ranges == [None]


def test_the_cache_folder_is_the_default(server, tmp_path, monkeypatch):
    monkeypatch.setenv("JNST_CACHE", str(tmp_path))
    assert download(server.url) == tmp_path / "downloads" / NAME


def test_a_file_that_is_there_is_only_checked(server, tmp_path):
    download(server.url, tmp_path)
    download(server.url, tmp_path)
    assert len(server.ranges) == 1
    (tmp_path / NAME).write_bytes(b"something of the user")
    with pytest.raises(ValueError, match="remove it and try again"):
        download(server.url, tmp_path)
    assert (tmp_path / NAME).read_bytes() == b"something of the user"


def test_cut_connections_are_carried_on(server, tmp_path):
    server.behaviours = [ranged(stop=100_000), ranged(stop=300_000), status(503), ranged()]
    assert download(server.url, tmp_path).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=100000-", "bytes=300000-", "bytes=300000-"]


def test_many_cuts_are_no_failure_as_long_as_bytes_come(server, tmp_path):
    server.behaviours = [ranged(stop=stop) for stop in range(50_000, len(CONTENT), 50_000)]
    server.behaviours.append(ranged())
    assert download(server.url, tmp_path, attempts=1).read_bytes() == CONTENT
    assert len(server.ranges) == 11


def test_an_earlier_run_is_carried_on(server, tmp_path):
    part(tmp_path).write_bytes(CONTENT[:200_000])
    calls = []
    download(server.url, tmp_path, progress=lambda *numbers: calls.append(numbers))
    assert server.ranges == ["bytes=200000-"]
    assert calls[0] == (200_000, len(CONTENT))


def test_a_server_without_ranges_begins_again(server, tmp_path):
    server.behaviours = [whole(stop=100_000), whole()]
    assert download(server.url, tmp_path).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=100000-"]


def test_a_server_without_ranges_that_always_cuts_is_given_up(server, tmp_path):
    server.behaviours = [whole(stop=stop) for stop in (100_000, 50_000) * 10]
    with pytest.raises(ConnectionError, match="cut after 50000 of 524288 bytes"):
        download(server.url, tmp_path, attempts=3)
    assert len(server.ranges) == 4


def test_a_part_that_is_whole_already(server, tmp_path):
    part(tmp_path).write_bytes(CONTENT)
    assert download(server.url, tmp_path).read_bytes() == CONTENT
    assert server.ranges == [f"bytes={len(CONTENT)}-"]


def test_a_part_that_is_too_long(server, tmp_path):
    part(tmp_path).write_bytes(CONTENT + b"more")
    assert download(server.url, tmp_path).read_bytes() == CONTENT
    assert server.ranges == [f"bytes={len(CONTENT) + 4}-", None]


@pytest.mark.parametrize("answer", ["bytes 5-524287/524288", "bytes */524288", "nonsense", ""])
def test_another_range_than_was_asked_for(server, tmp_path, answer):
    part(tmp_path).write_bytes(CONTENT[:200_000])
    server.behaviours = [
        lambda handler: handler.head(206, Content_Range=answer, Content_Length=0),
        ranged(),
    ]
    assert download(server.url, tmp_path).read_bytes() == CONTENT
    assert server.ranges == ["bytes=200000-", None]


def test_a_file_that_changes_on_the_server(server, tmp_path):
    """If-Range makes a server send all of a file that is not the one that was begun."""
    old = bytes(len(CONTENT))
    server.behaviours = [ranged(old, stop=100_000, ETag='"old"'), whole()]
    assert download(server.url, tmp_path).read_bytes() == CONTENT
    assert server.headers[1]["If-Range"] == '"old"'


def test_a_wrong_hash(server, tmp_path):
    (tmp_path / "other").write_text("of the user")
    server.behaviours = [ranged(CONTENT[::-1])]
    with pytest.raises(ValueError, match=f"begins with .{{8}}, not {NAME[6:14]}; .*removed"):
        download(server.url, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["other"]


def test_a_name_without_a_hash(server, tmp_path):
    """Nothing tells then whether an older part is of the same file, so it is not used."""
    (tmp_path / "plain.pth.part").write_bytes(b"of another day")
    url = server.url.replace(NAME, "plain.pth?version=2")
    assert download(url, tmp_path) == tmp_path / "plain.pth"
    assert (tmp_path / "plain.pth").read_bytes() == CONTENT
    assert server.ranges == [None]


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_refusals_are_not_repeated(server, tmp_path, code):
    server.behaviours = [status(code)]
    with pytest.raises(ValueError, match=f"{NAME} cannot be downloaded: .* answered {code} "):
        download(server.url, tmp_path)
    assert len(server.ranges) == 1
    assert not list(tmp_path.iterdir())


def test_passing_troubles_are_repeated(server, tmp_path):
    server.behaviours = [status(500), status(503), status(429), ranged()]
    assert download(server.url, tmp_path, attempts=4).read_bytes() == CONTENT
    server.behaviours = [status(502)]
    (tmp_path / NAME).unlink()
    with pytest.raises(ConnectionError, match="could not be downloaded: the server answered 502"):
        download(server.url, tmp_path, attempts=2)


def test_a_server_that_drips(server, tmp_path):
    """Slow is not dead: the time-out is for a byte, not for the file."""

    def drip(handler: Handler) -> None:
        handler.head(200, Content_Length=len(CONTENT))
        for start in range(0, len(CONTENT), len(CONTENT) // 8):
            handler.wfile.write(CONTENT[start : start + len(CONTENT) // 8])
            time.sleep(0.1)

    server.behaviours = [drip]
    assert download(server.url, tmp_path, timeout=0.5, attempts=1).read_bytes() == CONTENT
    assert len(server.ranges) == 1


def test_a_server_that_stalls(server, tmp_path):
    release = threading.Event()

    def stall(handler: Handler) -> None:
        handler.head(200, Content_Length=len(CONTENT))
        handler.wfile.write(CONTENT[:100_000])
        release.wait(10)

    server.behaviours = [stall, ranged()]
    assert download(server.url, tmp_path, timeout=0.3).read_bytes() == CONTENT
    release.set()
    assert server.ranges == [None, "bytes=100000-"]


def test_a_server_that_goes_away(server, tmp_path):
    """What came is kept, and said to be."""

    def last_words(handler: Handler) -> None:
        ranged(stop=100_000)(handler)
        server.socket.close()

    server.behaviours = [last_words]
    with pytest.raises(ConnectionError, match=r"could not be .*; 100000 bytes are kept in .*part$"):
        download(server.url, tmp_path, attempts=2, timeout=1)
    assert part(tmp_path).read_bytes() == CONTENT[:100_000]


def test_nobody_listens(monkeypatch, tmp_path):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr("jnst.convert.fetch.FIRST_WAIT", 0.001)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/{NAME}"
        with pytest.raises(ConnectionError, match=r"could not be downloaded: .*refused$"):
            download(url, tmp_path, attempts=2)


def test_what_is_no_http(server, tmp_path):
    server.behaviours = [lambda handler: handler.wfile.write(b"hello\r\n\r\n")]
    with pytest.raises(ConnectionError, match="could not be downloaded: hello"):
        download(server.url, tmp_path, attempts=2)


def test_an_unknown_length(server, tmp_path):
    def behave(handler: Handler) -> None:
        handler.head(200, Connection="close")
        handler.wfile.write(CONTENT)

    server.behaviours = [behave]
    calls = []
    path = download(server.url, tmp_path, progress=lambda *numbers: calls.append(numbers))
    assert path.read_bytes() == CONTENT
    assert calls[-1] == (len(CONTENT), None)


def test_a_full_disk_is_noticed_first(server, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 1000})()
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(OSError, match="has 1000 bytes free, 524288 are needed"):
        download(server.url, tmp_path)


def test_ctrl_c_keeps_the_part(server, tmp_path):
    def interrupt(done: int, total: int | None) -> None:
        if done > 100_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(server.url, tmp_path, progress=interrupt)
    begun = part(tmp_path).stat().st_size
    assert begun > 100_000
    assert download(server.url, tmp_path).read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={begun}-"]


@pytest.mark.parametrize(
    "url, message",
    [
        ("file:///etc/passwd", "must begin with https:// or http://"),
        ("vgg19-dcbb9e9d.pth", "must begin with https:// or http://"),
        ("https:///vgg19.pth", "must begin with https:// or http://"),
        ("https://example.org/", "must end in the name of a file"),
        ("https://example.org/a/..", "must end in the name of a file"),
        ("https://example.org/a%5Cb", "must end in the name of a file"),
        ("https://example.org/.hidden", "must end in the name of a file"),
        ("http://127.0.0.1/a b/vgg19.pth", "is no valid address"),
        ("http://127.0.0.1/é/vgg19.pth", "is no valid address"),
    ],
)
def test_unusable_addresses(url, message, tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(ValueError, match=message):
        download(url, tmp_path)


@pytest.mark.parametrize("option", [{"timeout": 0}, {"attempts": 0}])
def test_unusable_options(option, tmp_path):
    with pytest.raises(ValueError, match=f"{next(iter(option))} must be at least"):
        download(TORCHVISION_URL, tmp_path, **option)


def test_names(tmp_path):
    assert download_path(TORCHVISION_URL, tmp_path) == tmp_path / "vgg19-dcbb9e9d.pth"
    assert download_path("https://example.org/a/x%2Fy-1.pth?b=c", tmp_path).name == "y-1.pth"
