"""Fewer heaps for the threads of a session to share."""

import ctypes
import logging
import os
import sys
from functools import cache

logger = logging.getLogger(__name__)

M_ARENA_MAX = -8  # of mallopt, from glibc's malloc.h
HEAPS = 2


@cache
def share_heaps() -> None:
    """Lets all threads of this process share HEAPS heaps, where the C library is glibc. Who set MALLOC_ARENA_MAX knows better.

    By itself it gives new threads heaps of their own, up to eight for each processor, and each heap keeps the room of the
    largest frames that ever lay in it: after a few hundred changes of source, size and recording, more of it is free than
    in use. Frames are few and large, so threads do not wait for each other here.
    """
    if "MALLOC_ARENA_MAX" not in os.environ and not _call("mallopt", M_ARENA_MAX, HEAPS):
        logger.debug("this C library does not let its heaps be counted")


def give_back() -> None:
    """Hands what is free in the heaps back to the system, where the C library is glibc; takes some milliseconds.

    Frames of an old source or of a finished recording leave holes between what lives on. Unasked, glibc keeps them: a window
    whose source, size and recordings changed a hundred times had a third of its memory in them.
    """
    _call("malloc_trim", 0)


def _call(name: str, *arguments: int) -> int:
    """A function of the C library; 0 where it has none of that name."""
    function = getattr(ctypes.CDLL(None), name, None) if sys.platform.startswith("linux") else None
    return int(function(*arguments)) if function else 0
