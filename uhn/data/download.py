"""Getting one file over http(s): resumable, retried with back-off, quick to give up on a machine without network."""

from __future__ import annotations

import hashlib
import http.client
import re
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from uhn.data.pins import CHUNK, DataError

ATTEMPTS = 3
TIMEOUT_S = 10.0
CONNECT_S = 4.0
BACKOFF_S = 0.5
AGENT = "uhn (universal hypernetworks; dataset download)"

_reachable: dict[tuple[str, int], bool] = {}


class DownloadError(DataError):
    """An address did not give its file."""


class _TransientError(Exception):
    """Worth another attempt."""


def reachable(url: str) -> bool:
    """Say whether the host of ``url`` accepts a connection within :data:`CONNECT_S`; remembered per process.

    With a proxy in the environment the question is not asked. The look-up runs in a thread because a name server
    that does not answer would otherwise hold the process for half a minute.
    """
    parts = urllib.parse.urlsplit(url)
    proxied = parts.scheme in urllib.request.getproxies()
    if proxied and not urllib.request.proxy_bypass(parts.hostname or ""):
        return True
    key = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    if key not in _reachable:
        answer: list[bool] = []

        def connect() -> None:
            try:
                socket.create_connection(key, timeout=CONNECT_S).close()
                answer.append(True)
            except OSError:
                answer.append(False)

        thread = threading.Thread(target=connect, daemon=True)
        thread.start()
        thread.join(CONNECT_S + 1.0)
        _reachable[key] = bool(answer and answer[0])
    return _reachable[key]


def download(url: str, folder: Path, max_bytes: int) -> Path:
    """Download ``url`` into ``folder`` and return the file; what an earlier attempt left is continued.

    Raises:
        DownloadError: if the host cannot be reached, answers an error, a web page, or more than ``max_bytes``.
        OSError: if the file cannot be written; what was written is removed.
    """
    if not reachable(url):
        raise DownloadError(f"{url}: no connection to {urllib.parse.urlsplit(url).netloc}")
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}-{Path(urllib.parse.urlsplit(url).path).name}.part"
    reason = "no attempt made"
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(BACKOFF_S * 2 ** (attempt - 1))
        try:
            _transfer(url, part, max_bytes)
            return part
        except _TransientError as error:
            reason = str(error)
        except DownloadError:
            part.unlink(missing_ok=True)
            raise
        except OSError:
            part.unlink(missing_ok=True)
            raise
    raise DownloadError(f"{url}: {reason} ({ATTEMPTS} attempts)")


def _transfer(url: str, part: Path, max_bytes: int) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": AGENT} | ({"Range": f"bytes={have}-"} if have else {}))
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416:
                part.unlink(missing_ok=True)
                raise _TransientError("the server refused to continue the download") from None
            if error.code in (408, 425, 429) or error.code >= 500:
                raise _TransientError(f"HTTP {error.code}") from None
            raise DownloadError(f"{url}: HTTP {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        raise _TransientError(_words(error)) from None
    with answer:
        _receive(url, answer, part, have, max_bytes)


def _receive(url: str, answer: Any, part: Path, have: int, max_bytes: int) -> None:
    span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
    start = have if answer.status == 206 and span and int(span[1]) == have else 0
    length = answer.headers.get("Content-Length")
    wanted = None if length is None else start + int(length)
    if wanted is not None and wanted > max_bytes:
        raise DownloadError(f"{url}: wanted at most {max_bytes:,} bytes, the server offers {wanted:,}")
    if answer.headers.get_content_type() == "text/html":
        raise DownloadError(f"{url}: answered a web page (text/html) instead of data")
    got = start
    with part.open("r+b" if start else "wb") as out:
        out.seek(start)
        out.truncate()
        while True:
            try:
                chunk = answer.read(CHUNK)
            except (OSError, http.client.HTTPException) as error:
                raise _TransientError(_words(error)) from None
            if not chunk:
                break
            got += len(chunk)
            if got > max_bytes:
                raise DownloadError(f"{url}: wanted at most {max_bytes:,} bytes, got more")
            out.write(chunk)
    if wanted is not None and got < wanted:
        raise _TransientError(f"the connection broke off after {got:,} of {wanted:,} bytes")


def _words(error: BaseException) -> str:
    reason = getattr(error, "reason", error)
    return f"{type(reason).__name__}: {reason}" if str(reason) else type(reason).__name__
