"""What runs from layer to layer, as far as a description tells: layers that do not chain are refused by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

AXES: Final = {2: "rows [B, F]", 3: "sequences [B, T, D]", 4: "images [B, C, H, W]"}


@dataclass(frozen=True)
class Flow:
    """Number of axes and width (the channels of images, else the last axis); None for what is not known."""

    axes: int | None = None
    width: float | None = None

    def enter(self, axes: int | None, width: float | None) -> None:
        """Raise ``ValueError``, as half a sentence, unless it fits a layer of these axes and width (None: any)."""
        if self.axes is not None and axes is not None and self.axes != axes:
            raise ValueError(f"wants {AXES.get(axes, axes)} and gets {AXES.get(self.axes, self.axes)}")
        channels = axes == 4 and self.axes is None  # of what may be images only the last axis is known
        if self.width is not None and width is not None and self.width != width and not channels:
            raise ValueError(f"wants {width:g} inputs and gets {self.width:g}")
