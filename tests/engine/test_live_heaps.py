"""The memory that many threads leave behind, in a process of its own because the setting is the process's."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

COUNT_HEAPS = """
import ctypes, sys, threading
from engine.live.heaps import share_heaps

share_heaps()
barrier = threading.Barrier(12)
def work():
    blocks = [bytearray(100_000) for _ in range(10)]
    barrier.wait()
threads = [threading.Thread(target=work) for _ in range(12)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
stream = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, stream)
libc.fflush(stream)
"""


def heaps(**environment: str) -> int:
    env = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"} | environment
    command = [sys.executable, "-c", COUNT_HEAPS]
    root = Path(__file__).parents[2]
    return subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=True).stdout.count("<heap ")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have other heaps")
def test_many_threads_share_two_heaps_unless_the_user_says_otherwise() -> None:
    assert heaps() <= 2
    assert heaps(MALLOC_ARENA_MAX="6") > 2
