"""Ctrl-C, SIGTERM and a lost terminal as a request: the loop finishes its step, saves, and leaves with a message."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """The run was asked to stop and has saved its progress."""


class StopRequest:
    """Remembers the first signal; a second one of the same kind takes its usual effect at once.

    Args:
        deadline: the time of ``time.monotonic()`` from which on stopping is asked for without a signal.
    """

    def __init__(self, deadline: float | None = None) -> None:
        self.signum: int | None = None
        self.deadline = deadline

    @property
    def late(self) -> bool:
        """Whether the deadline has passed."""
        return self.deadline is not None and time.monotonic() >= self.deadline

    def __bool__(self) -> bool:
        return self.signum is not None or self.late


@contextmanager
def stop_on_signals(deadline: float | None = None) -> Iterator[StopRequest]:
    """Collect SIGINT, SIGTERM and SIGHUP for the duration, then deliver the collected one to whoever handled it before.

    What stops at ``deadline`` (see :class:`StopRequest`) leaves with :class:`Stopped`.

    Outside the main thread, where handlers cannot be set, signals are left alone; so is a signal that was ignored.
    """
    request = StopRequest(deadline)
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    before = {number: handler for number, handler in handlers.items() if handler != signal.SIG_IGN}

    def remember(number: int, frame: FrameType | None) -> None:
        request.signum = number
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, remember)
    try:
        yield request
    except Stopped:
        if request.signum is None:
            raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if request.signum is not None:
        signal.raise_signal(request.signum)
