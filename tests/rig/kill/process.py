"""Processes that the rig starts, and waiting for what they do."""

from __future__ import annotations

import ctypes
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[3]
# Longest wait for something that must happen, in seconds.
PATIENCE = 120.0
# Pause between two looks, in seconds.
PAUSE = 0.02
# PR_SET_PDEATHSIG: a child gets this signal when its parent ends, however that ends.
_DEATH_SIGNAL = 1

T = TypeVar("T")


class Failure(Exception):
    """Something happened that must not happen, or did not happen that must."""


def until(what: str, condition: Callable[[], T | None], seconds: float = PATIENCE) -> T:
    """Waits until a condition gives something else than None or False, and returns that."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found is not None and found is not False:
            return found
        if time.monotonic() > deadline:
            raise Failure(f"after {seconds:.0f} s it has not come true: {what}")
        time.sleep(PAUSE)


def tied_to_parent() -> None:
    """In a new child: it does not outlive the rig, even if that is killed."""
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "prctl"):
        libc.prctl(_DEATH_SIGNAL, signal.SIGKILL)
