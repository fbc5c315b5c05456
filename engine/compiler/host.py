"""This machine's processor: its architecture, its features, and cores that may differ in speed. Never imports TVM."""

import os
import platform
import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import psutil

MOST_THREADS = 8  # more workers than this only wait for each other on networks of this size
ARCHITECTURES = {"x86_64": "x86-64", "amd64": "x86-64", "aarch64": "aarch64", "arm64": "aarch64"}
FULL_SPEED = 1024  # Linux's capacity of the fastest core


@dataclass(frozen=True, slots=True)
class CoreGroup:
    """Cores that are alike.

    count:    how many of them this process may use; hardware threads of one core count once.
    capacity: speed relative to the machine's fastest core, whose is 1024.
    mhz:      highest clock; 0 where the system does not tell.
    part:     of an ARM core, implementer and part number as in "0x41/0xd0b"; "" elsewhere.
    """

    count: int
    capacity: int
    mhz: int = 0
    part: str = ""


@dataclass(frozen=True, slots=True)
class Host:
    """What the choice of a target depends on.

    architecture: "x86-64", "aarch64", or what the system calls any other one.
    system:       "Linux", "Darwin", "Windows".
    model:        the processor's name, or the board's; "" where the system does not tell.
    features:     instruction sets under NumPy's names, such as "AVX2" and "ASIMDHP", and "AVXVNNI", for which it has none.
    groups:       fastest cores first.
    quota:        processors' worth of time that a container leaves this process; None without a limit.
    """

    architecture: str
    system: str
    model: str
    features: frozenset[str]
    groups: tuple[CoreGroup, ...]
    quota: float | None = None

    @property
    def cores(self) -> int:
        return sum(group.count for group in self.groups)

    def threads(self) -> int:
        """How many workers are fastest.

        The workers get equal shares of a kernel's tasks, so the slowest core sets the pace: n workers on the n fastest
        cores do n times the work of the slowest of them. Little cores are used only where they raise that.
        """
        speeds = [group.capacity for group in self.groups for _ in range(group.count)] or [FULL_SPEED]
        speeds = sorted(speeds, reverse=True)[:MOST_THREADS]
        best = max(range(1, len(speeds) + 1), key=lambda count: (count * speeds[count - 1], -count))
        return best if self.quota is None else max(1, min(best, round(self.quota)))


@cache
def detect() -> Host:
    """This machine. Asked once: none of it changes while the program runs."""
    machine = platform.machine().lower()
    system = platform.system()
    root = Path("/")
    if system == "Linux":
        groups, quota = linux_groups(root, _allowed()), linux_quota(root)
    else:
        groups, quota = _darwin_groups() if system == "Darwin" else (), None
    if not groups:
        groups = (CoreGroup(max(1, min(psutil.cpu_count(logical=False) or 1, len(_allowed()))), FULL_SPEED),)
    architecture = ARCHITECTURES.get(machine, machine)
    features = _features() | more_features(system, architecture, root)
    return Host(architecture, system, _model(system, root), features, groups, quota)


def _allowed() -> frozenset[int]:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def _features() -> frozenset[str]:
    # NumPy asks the processor at import on every platform; np.show_runtime() prints the same table.
    found = np._core._multiarray_umath.__cpu_features__  # type: ignore[attr-defined]
    return frozenset(name for name, present in found.items() if present)


def more_features(system: str, architecture: str, root: Path) -> frozenset[str]:
    """What NumPy does not ask for."""
    if architecture == "x86-64" and re.search(r"^flags\s*:.*\bavx_vnni\b", _text(root / "proc/cpuinfo"), re.MULTILINE):
        return frozenset({"AVXVNNI"})
    # It tells of macOS only what it was itself compiled for; every processor of Apple's Macs has these.
    return frozenset({"ASIMDHP", "ASIMDDP"} if (system, architecture) == ("Darwin", "aarch64") else ())


def _model(system: str, root: Path) -> str:
    if system == "Darwin":
        return _sysctl("machdep.cpu.brand_string")
    if system == "Linux":
        board = _text(root / "proc/device-tree/model").rstrip("\0")
        found = re.search(r"^model name\s*:\s*(.+)$", _text(root / "proc/cpuinfo"), re.MULTILINE)
        return board or (found.group(1).strip() if found else "")
    return platform.processor()


def linux_groups(root: Path, allowed: frozenset[int]) -> tuple[CoreGroup, ...]:
    """The processors `allowed` as /sys and /proc below `root` describe them; empty where they do not."""
    parts = linux_parts(_text(root / "proc/cpuinfo"))
    seen: set[str] = set()
    found: dict[int, tuple[int, int, str]] = {}  # processor -> capacity or 0, MHz or 0, part
    for number in sorted(allowed):
        folder = root / f"sys/devices/system/cpu/cpu{number}"
        if not folder.is_dir():
            continue
        core = _text(folder / "topology/thread_siblings_list").strip() or str(number)
        if core in seen:
            continue
        seen.add(core)
        khz = _number(folder / "cpufreq/cpuinfo_max_freq")
        found[number] = (_number(folder / "cpu_capacity"), khz // 1000, parts.get(number, ""))
    top_mhz = max((mhz for _, mhz, _ in found.values()), default=0)

    def speed(capacity: int, mhz: int) -> int:
        """The kernel's own figure where it has one; else by the clock, in steps that turbo differences do not cross."""
        if capacity:
            return capacity
        return round(8 * mhz / top_mhz) * FULL_SPEED // 8 if mhz else FULL_SPEED

    kinds = Counter((speed(capacity, mhz), mhz, part) for capacity, mhz, part in found.values())
    # A capacity is relative to the fastest core, which this process may not be allowed to use.
    return tuple(
        CoreGroup(count, capacity, mhz, part) for (capacity, mhz, part), count in sorted(kinds.items(), reverse=True)
    )


def linux_parts(cpuinfo: str) -> dict[int, str]:
    """Processor -> "implementer/part" of every ARM core in /proc/cpuinfo."""
    parts: dict[int, str] = {}
    for block in cpuinfo.split("\n\n"):
        fields = dict(re.findall(r"^([^:\t]+?)\s*:\s*(.*)$", block, re.MULTILINE))
        if "processor" in fields and "CPU part" in fields and fields["processor"].isdecimal():
            parts[int(fields["processor"])] = f"{fields.get('CPU implementer', '')}/{fields['CPU part']}".lower()
    return parts


def linux_quota(root: Path) -> float | None:
    """Processors' worth of time that the control group allows; None without a limit."""
    quota, _, period = _text(root / "sys/fs/cgroup/cpu.max").strip().partition(" ")
    if not quota.isdecimal():
        quota = _text(root / "sys/fs/cgroup/cpu/cpu.cfs_quota_us").strip()
        period = _text(root / "sys/fs/cgroup/cpu/cpu.cfs_period_us").strip()
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() and int(period) else None


def _darwin_groups() -> tuple[CoreGroup, ...]:
    """Apple's performance cores and efficiency cores. An efficiency core does about a third of a performance core."""
    levels = [_sysctl(f"hw.perflevel{level}.physicalcpu") for level in range(2)]
    counts = [int(text) if text.isdecimal() else 0 for text in levels]
    return tuple(CoreGroup(count, capacity) for count, capacity in zip(counts, (FULL_SPEED, FULL_SPEED // 3)) if count)


def _sysctl(name: str) -> str:
    try:
        done = subprocess.run(["/usr/sbin/sysctl", "-n", name], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _number(path: Path) -> int:
    text = _text(path).strip()
    return int(text) if text.isdecimal() else 0
