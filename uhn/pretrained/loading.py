"""``uhn.from_pretrained``: a trained generator that is shipped with the package."""

from __future__ import annotations

import difflib
from pathlib import Path

from uhn.pretrained.families import FAMILIES
from uhn.sources.universal import UniversalHypernetwork

FOLDER = Path(__file__).parent


def from_pretrained(name: str, *, allow_extrapolation: bool = False) -> UniversalHypernetwork:
    """Return a generator that was trained already. Its record, ``NAME.json``, lies beside it in ``uhn/pretrained/``.

    ``"cnn-width-small"`` makes CNNs of seven layers for CIFAR-10, ``uhn.cnn((1, 1, 2, 2), (a, a, b, c))`` with a from 8
    to 16, b from 12 to 24 and c from 16 to 32, all multiples of 4. It saw 50 of these 60 in training.

    Args:
        name: of the generator. One of your own is read by :meth:`UniversalHypernetwork.load`, one from the Hub by
            :meth:`UniversalHypernetwork.from_pretrained`.
        allow_extrapolation: serve models outside the family too, with one warning; nothing is known of how well.

    Raises:
        TypeError, ValueError: for a name that is none of them; what is nearest is named.

    Example:
        >>> spec = uhn.cnn((1, 1, 2, 2), (12, 12, 24, 32))
        >>> weights = from_pretrained("cnn-width-small")(spec)
        >>> uhn.to_module(spec, weights)(torch.randn(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """
    if not isinstance(name, str):
        raise TypeError(f"from_pretrained wants a name, got {type(name).__name__}; there are {', '.join(FAMILIES)}")
    if name not in FAMILIES:
        nearest = difflib.get_close_matches(name, FAMILIES, 1, 0.4)
        hint = f": did you mean {nearest[0]!r}?" if nearest else ""
        raise ValueError(
            f"no shipped generator {name!r:.100}{hint}; there are {', '.join(FAMILIES)} (a file of your own: "
            "UniversalHypernetwork.load, a folder or the Hub: UniversalHypernetwork.from_pretrained)"
        )
    return UniversalHypernetwork.load(FOLDER / f"{name}.safetensors", allow_extrapolation=allow_extrapolation)
