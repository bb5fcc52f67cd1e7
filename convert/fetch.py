"""Fetching a weight file: resumed after a cut, checked by its hash, there whole or not at all."""

import dataclasses
import http.client
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import NoReturn
from urllib.parse import unquote, urlsplit

from jnst._checks import check_choice, check_integer, check_number
from jnst._files import cache_folder, sha256_of
from jnst.nn.blocks import DEFAULT_NETWORK, NETWORKS


def torchvision_url(network: str = DEFAULT_NETWORK) -> str:
    """The address of a network as PyTorch's authors trained it; most of the file is the classifier.

    Raises:
      ValueError: for a network that is not in `jnst.nn.blocks.NETWORKS`.

    >>> torchvision_url("vgg16")
    'https://download.pytorch.org/models/vgg16-397923af.pth'
    """
    check_choice("network", network, NETWORKS)
    return f"https://download.pytorch.org/models/{NETWORKS[network].checkpoint}"


TORCHVISION_URL = torchvision_url()
"""Of VGG-19: 548 MiB."""

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are there, and the bytes that there will be, if the server says."""

FIRST_WAIT, LONGEST_WAIT = 0.5, 8.0
"""Seconds before a connection is tried again; they double with every attempt in vain."""

CHUNK = 1 << 18
_PASSING = {408, 425, 429, 500, 502, 503, 504}  # statuses after which a server may recover


class _Cut(Exception):
    """The connection failed in a way that may pass."""


def download(
    url: str = TORCHVISION_URL,
    folder: Path | None = None,
    *,
    progress: Progress | None = None,
    timeout: float = 30.0,
    attempts: int = 5,
) -> Path:
    """Download a file and return its path; one that is there already is only checked.

    The bytes go to `NAME.part`, which stays after a failure, and which the next call carries on.

    Args:
      url: its file name may carry the beginning of the file's sha256, as torch hub's do
        (`vgg19-dcbb9e9d.pth`); that is checked then.
      folder: made where it does not exist; None: `downloads` in jnst's cache folder.
      progress: called as bytes arrive, with how many are there and how many there will be.
      timeout: seconds without a byte after which a connection counts as cut.
      attempts: connections in a row that may bring nothing new before it is given up.

    Raises:
      ValueError: for an address that does not exist, or a file that is not the one wanted.
      ConnectionError: for a server that cannot be reached or fails.
      OSError: for a disk that is full or cannot be written to.
    """
    check_number("timeout", timeout, least=0.001)
    check_integer("attempts", attempts, least=1)
    target = download_path(url, folder)
    prefix = _hash_in_name(target.name)
    if target.exists():
        if not sha256_of(target).startswith(prefix):
            raise ValueError(
                f"{target} is not the file that its name says: its sha256 does not begin with "
                f"{prefix}; remove it and try again"
            )
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    if not prefix:  # nothing could tell whether an older part fits
        part.unlink(missing_ok=True)
    _Transfer(url, part, timeout, progress or (lambda done, total: None)).run(attempts)
    if not (found := sha256_of(part)).startswith(prefix):
        part.unlink()
        raise ValueError(
            f"{url} gave another file than its name says: its sha256 begins with {found[:8]}, not "
            f"{prefix}; what came has been removed, try again"
        )
    return part.replace(target)


def download_path(url: str, folder: Path | None = None) -> Path:
    """Where `download` puts the file of this address. Raises ValueError for an unusable one."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"url must begin with https:// or http:// and a host, got {url!r}")
    name = PurePosixPath(unquote(parts.path)).name
    if not re.fullmatch(r"\w[\w.+-]*", name):
        raise ValueError(f"url must end in the name of a file, got {url!r}")
    return (Path(folder) if folder else cache_folder() / "downloads") / name


def _hash_in_name(name: str) -> str:
    """The hex digits in `name-0123abcd.pth`, or an empty string."""
    match = re.search(r"-([0-9a-f]{8,64})\.\w+$", name)
    return match[1] if match else ""


@dataclasses.dataclass
class _Transfer:
    """One download, over as many connections as it takes.

    `tag` is what the server said of the file's version; a changed file is fetched from its start.
    """

    url: str
    part: Path
    timeout: float
    progress: Progress
    tag: str | None = None

    def run(self, attempts: int) -> None:
        """Fetch until the part is whole; ConnectionError after `attempts` without a new byte."""
        in_vain, most = 0, self._done()
        while True:
            try:
                return self._connect()
            except _Cut as cut:
                done = self._done()
                in_vain = 0 if done > most else in_vain + 1
                most = max(most, done)
                if in_vain >= attempts:
                    kept = f"; {done} bytes are kept in {self.part}" if done else ""
                    message = f"{self.url} could not be downloaded: {cut}{kept}"
                    raise ConnectionError(message) from None
            time.sleep(min(FIRST_WAIT * 2 ** max(in_vain - 1, 0), LONGEST_WAIT))

    def _done(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _connect(self) -> None:
        """Fetch what is missing over one connection; raises _Cut where some still is."""
        done = self._done()
        response = self._request(done)
        if response is None:
            return
        with response:
            done, total = self._extent(response, done)
            free = shutil.disk_usage(self.part.parent).free
            if total is not None and total - done > free:
                raise OSError(
                    f"{self.part.parent} has {free} bytes free, {total - done} are needed"
                )
            self.tag = response.headers.get("ETag")
            with self.part.open("ab" if done else "wb") as file:
                self.progress(done, total)
                while chunk := _received(response):
                    file.write(chunk)
                    done += len(chunk)
                    self.progress(done, total)
        if total is not None and done < total:
            raise _Cut(f"the connection was cut after {done} of {total} bytes")

    def _request(self, done: int) -> http.client.HTTPResponse | None:
        """The server's answer to a request for all after `done`; None where nothing is."""
        headers = {"User-Agent": "jnst", "Accept-Encoding": "identity"}
        if done:
            headers["Range"] = f"bytes={done}-"
            if self.tag and not self.tag.startswith("W/"):  # weak tags are not for ranges
                headers["If-Range"] = self.tag
        try:
            request = urllib.request.Request(self.url, headers=headers)
            answer: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=self.timeout)
            return answer
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 416 and done:
                    if error.headers.get("Content-Range", "").strip() == f"bytes */{done}":
                        return None
                    self._restart("the server has a shorter file than the part that is here")
            if error.code in _PASSING:
                raise _Cut(f"the server answered {error.code} {error.reason}") from None
            raise ValueError(
                f"{self.url} cannot be downloaded: the server answered {error.code} {error.reason}"
            ) from None
        except (http.client.InvalidURL, UnicodeError) as error:
            raise ValueError(f"{self.url!r} is no valid address: {error}") from None
        except (http.client.HTTPException, OSError) as error:
            raise _Cut(_reason(error)) from None

    def _extent(self, response: http.client.HTTPResponse, done: int) -> tuple[int, int | None]:
        """(where the answer begins in the file, the whole file's length if it is known)."""
        if response.status != 206:  # the server sends all of it, asked or not
            length = response.headers.get("Content-Length", "")
            return 0, int(length) if length.isdecimal() else None
        answer = response.headers.get("Content-Range", "")
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.strip())
        if not match or int(match[1]) != done:
            self._restart(f"the server sent the range {answer!r} when asked from byte {done} on")
        return done, None if match[2] == "*" else int(match[2])

    def _restart(self, why: str) -> NoReturn:
        self.part.unlink()
        raise _Cut(why)


def _received(response: http.client.HTTPResponse) -> bytes:
    """The next bytes, as soon as there are some, so that a cut loses none of them."""
    try:
        return response.read1(CHUNK)
    except (http.client.HTTPException, OSError) as error:
        raise _Cut(_reason(error)) from None


def _reason(error: Exception) -> str:
    cause = getattr(error, "reason", error)
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
