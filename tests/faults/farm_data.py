"""A dataset of three files for the fault farm: plain, gzip and a member of an archive."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from dataclasses import replace

from uhn.tasks import DATASETS
from uhn.tasks.dataset import Dataset
from uhn.tasks.fetch.checksums import File, Origin

FILES = {f"toy/{name}": f"what {name} holds\n".encode() * 20_000 for name in ("plain", "zipped", "member")}


def _tar(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


PLACES = {
    "plain": FILES["toy/plain"],
    "zipped.gz": gzip.compress(FILES["toy/zipped"]),
    "all.tgz": _tar("in/member", FILES["toy/member"]),
}
"""What a place holds, by name."""


def toy(url: str = "") -> Dataset:
    """The dataset, with its places below an address, or below a mirror's folder."""
    at = f"{url}/" if url else ""
    return replace(
        DATASETS["imdb"],
        name="toy",
        files=tuple(File(path, hashlib.sha256(data).hexdigest(), len(data)) for path, data in FILES.items()),
        origins=(
            Origin(f"{at}plain", (("toy/plain", ""),), "plain"),
            Origin(f"{at}zipped.gz", (("toy/zipped", ""),), "gzip"),
            Origin(f"{at}all.tgz", (("toy/member", "in/member"),), "tar"),
        ),
    )
