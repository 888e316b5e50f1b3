"""Getting one file over http(s): resumable, retried with back-off, quick to give up on a machine without network.

Whatever a server answers, the outcome is the file or one :class:`DownloadError`: nothing a place says may keep the next
place from being asked. Silence ends after :data:`TIMEOUT_S`, a drip when it is behind its allowance.
"""

from __future__ import annotations

import hashlib
import http.client
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from uhn.tasks.fetch.checksums import CHUNK, DataError, brief
from uhn.tasks.fetch.connections import Watch, opener, reachable

ATTEMPTS = 3
TIMEOUT_S = 10.0
BACKOFF_S = 0.5
AGENT = "uhn (universal hypernetworks; dataset download)"


class DownloadError(DataError):
    """An address did not give its file."""


class _TransientError(Exception):
    """Worth another attempt."""


def half_of(url: str, folder: Path) -> Path:
    """Where a download of ``url`` into ``folder`` grows."""
    return folder / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}-{Path(urllib.parse.urlsplit(url).path).name}.part"


def download(url: str, folder: Path, max_bytes: int) -> Path:
    """Download ``url`` into ``folder`` and return the file; what an earlier attempt left is continued.

    Raises:
        DownloadError: if the host cannot be reached, is too slow, answers an error, a web page, nonsense, or more than
            ``max_bytes``.
        OSError: if the file cannot be written; what was written is removed.
    """
    if not reachable(url):
        raise DownloadError(f"{url}: no connection to {urllib.parse.urlsplit(url).netloc}")
    folder.mkdir(parents=True, exist_ok=True)
    part = half_of(url, folder)
    reason = "no attempt made"
    with Watch(url) as watch:
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(BACKOFF_S * 2 ** (attempt - 1))
            try:
                _transfer(url, part, max_bytes, watch)
                return part
            except _TransientError as error:
                reason = str(error)
            except (DownloadError, OSError):
                part.unlink(missing_ok=True)
                raise
            if watch.late:
                raise DownloadError(f"{url}: too slow, given up after {watch.received:,} bytes")
    raise DownloadError(f"{url}: {reason} ({ATTEMPTS} attempts)")


def _transfer(url: str, part: Path, max_bytes: int, watch: Watch) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": AGENT} | ({"Range": f"bytes={have}-"} if have else {}))
    try:
        answer = opener(watch).open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416:
                part.unlink(missing_ok=True)
                raise _TransientError("the server refused to continue the download") from None
            if error.code in (408, 425, 429) or error.code >= 500:
                raise _TransientError(f"HTTP {error.code}") from None
            raise DownloadError(f"{url}: HTTP {error.code} {brief(error.reason)}") from None
    except (OSError, http.client.HTTPException) as error:
        raise _TransientError(_words(error)) from None
    except Exception as error:  # a redirect to an impossible address, for one: each kind of nonsense has its own
        raise DownloadError(f"{url}: {_words(error)}") from None
    with answer:
        _receive(url, answer, part, have, max_bytes, watch)


def _receive(url: str, answer: Any, part: Path, have: int, max_bytes: int, watch: Watch) -> None:
    span = re.fullmatch(r"bytes ([0-9]{1,15})-[0-9]{1,15}/([0-9]{1,15}|\*)", answer.headers.get("Content-Range", ""))
    start = have if answer.status == 206 and span and int(span[1]) == have else 0
    length = re.fullmatch(r"[0-9]{1,15}", answer.headers.get("Content-Length", ""))
    wanted = start + int(length[0]) if length else None
    if wanted is not None and wanted > max_bytes:
        raise DownloadError(f"{url}: wanted at most {max_bytes:,} bytes, the server offers {wanted:,}")
    if answer.headers.get_content_type() == "text/html":
        raise DownloadError(f"{url}: answered a web page (text/html) instead of data")
    got = start
    with part.open("r+b" if start else "wb") as out:
        out.seek(start)
        out.truncate()
        while chunk := _read(url, answer):
            got += len(chunk)
            watch.received += len(chunk)
            if got > max_bytes:
                raise DownloadError(f"{url}: wanted at most {max_bytes:,} bytes, got more")
            out.write(chunk)
    if watch.late or (wanted is not None and got < wanted):
        of = "" if wanted is None else f" of {wanted:,}"
        raise _TransientError(f"the connection broke off after {got:,}{of} bytes")


def _read(url: str, answer: Any) -> bytes:
    """Return what has arrived (``read`` would wait for as much as the server says it sends in a chunk)."""
    try:
        chunk: bytes = answer.read1(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _TransientError(_words(error)) from None
    except Exception as error:
        raise DownloadError(f"{url}: {_words(error)}") from None
    return chunk


def _words(error: BaseException) -> str:
    reason = getattr(error, "reason", error)
    return f"{type(reason).__name__}: {brief(reason)}" if str(reason) else type(reason).__name__
