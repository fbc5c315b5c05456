"""How much memory a process has, and how much of it is in use."""

import ctypes

import psutil


def own_mib(process: psutil.Process) -> float:
    """What the process alone holds."""
    return float(process.memory_full_info().uss) / 2**20


class _Mallinfo(ctypes.Structure):
    """struct mallinfo2 of the GNU C library."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in [
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        ]
    ]


def used_mib() -> float:
    """What malloc has handed out and not got back: what it keeps for later is no leak. NaN where it cannot be asked."""
    try:
        ask = ctypes.CDLL(None).mallinfo2
    except (AttributeError, OSError, TypeError):
        return float("nan")
    ask.restype = _Mallinfo
    found = ask()
    return float(found.uordblks + found.hblkhd) / 2**20
