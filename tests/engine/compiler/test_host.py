"""What the program takes a processor for, from the files in which Linux describes it."""

from pathlib import Path

import pytest

from engine.compiler import host
from engine.compiler.host import CoreGroup, Host

A55, A76, A78, X1 = "0x41/0xd05", "0x41/0xd0b", "0x41/0xd41", "0x41/0xd44"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def machine(root: Path, cores: list[tuple[str, int, int]], siblings: int = 1) -> Path:
    """/proc and /sys of processors (part, capacity or 0, MHz or 0); `siblings` hardware threads share each core."""
    blocks = []
    for number, (part, capacity, mhz) in enumerate(cores):
        folder = root / f"sys/devices/system/cpu/cpu{number}"
        first = number // siblings * siblings
        write(
            folder / "topology/thread_siblings_list",
            f"{first}-{first + siblings - 1}\n" if siblings > 1 else f"{number}\n",
        )
        if capacity:
            write(folder / "cpu_capacity", f"{capacity}\n")
        if mhz:
            write(folder / "cpufreq/cpuinfo_max_freq", f"{mhz * 1000}\n")
        implementer, _, kind = part.partition("/")
        names = f"CPU implementer\t: {implementer}\nCPU part\t: {kind}\n" if part else "vendor_id\t: GenuineIntel\n"
        blocks.append(f"processor\t: {number}\nBogoMIPS\t: 108.00\n{names}")
    write(root / "proc/cpuinfo", "\n".join(blocks))
    return root


def found(root: Path, allowed: int) -> Host:
    groups = host.linux_groups(root, frozenset(range(allowed)))
    return Host("aarch64", "Linux", "", frozenset(), groups, host.linux_quota(root))


def test_equal_cores_all_work(tmp_path: Path) -> None:
    here = found(machine(tmp_path, [(A76, 1024, 2400)] * 4), 4)
    assert here.groups == (CoreGroup(4, 1024, 2400, A76),)
    assert here.threads() == 4


def test_little_cores_are_left_out_where_they_would_be_waited_for(tmp_path: Path) -> None:
    cores = [(A55, 446, 1800)] * 4 + [(A76, 1024, 2400)] * 4
    here = found(machine(tmp_path, cores), 8)
    assert here.groups == (CoreGroup(4, 1024, 2400, A76), CoreGroup(4, 446, 1800, A55))
    assert here.threads() == 4


def test_one_prime_core_takes_the_big_ones_along(tmp_path: Path) -> None:
    cores = [(A55, 325, 1800)] * 4 + [(A78, 871, 2420)] * 3 + [(X1, 1024, 2840)]
    assert found(machine(tmp_path, cores), 8).threads() == 4


def test_little_cores_alone_are_used(tmp_path: Path) -> None:
    """A process may be kept to them."""
    cores = [(A55, 446, 1800)] * 4 + [(A76, 1024, 2400)] * 4
    here = found(machine(tmp_path, cores), 4)
    assert here.groups == (CoreGroup(4, 446, 1800, A55),)
    assert here.threads() == 4


def test_hardware_threads_of_a_core_count_once(tmp_path: Path) -> None:
    assert found(machine(tmp_path, [("", 0, 3600)] * 8, siblings=2), 8).threads() == 4


def test_favoured_cores_are_no_kind_of_their_own(tmp_path: Path) -> None:
    """Desktop processors give one or two cores a slightly higher clock."""
    here = found(machine(tmp_path, [("", 0, 5500)] * 6 + [("", 0, 5800)] * 2), 8)
    assert {group.capacity for group in here.groups} == {1024}
    assert here.threads() == 8


@pytest.mark.parametrize(("text", "threads"), [("200000 100000\n", 2), ("max 100000\n", 4), ("50000 100000\n", 1)])
def test_a_container_gives_fewer(tmp_path: Path, text: str, threads: int) -> None:
    root = machine(tmp_path, [(A76, 1024, 2400)] * 4)
    write(root / "sys/fs/cgroup/cpu.max", text)
    assert found(root, 4).threads() == threads


def test_the_older_control_groups_are_read_too(tmp_path: Path) -> None:
    write(tmp_path / "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "150000\n")
    write(tmp_path / "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")
    assert host.linux_quota(tmp_path) == 1.5


def test_a_system_that_tells_nothing_is_no_error(tmp_path: Path) -> None:
    assert host.linux_groups(tmp_path, frozenset({0, 1})) == ()
    assert host.linux_quota(tmp_path) is None
    assert Host("aarch64", "Linux", "", frozenset(), ()).threads() == 1


def test_this_machine_is_found() -> None:
    here = host.detect()
    assert 1 <= here.threads() <= host.MOST_THREADS
    assert here.architecture in ("x86-64", "aarch64")
    assert here.features & {"SSE2", "ASIMD", "NEON"}


def test_what_numpy_does_not_ask_for(tmp_path: Path) -> None:
    write(tmp_path / "proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu avx2 avx_vnni fma\n")
    assert host.more_features("Linux", "x86-64", tmp_path) == {"AVXVNNI"}
    write(tmp_path / "proc/cpuinfo", "processor\t: 0\nmodel name\t: avx_vnni\nflags\t\t: fpu avx2 avx512_vnni fma\n")
    assert host.more_features("Linux", "x86-64", tmp_path) == frozenset()
    assert "ASIMDDP" in host.more_features("Darwin", "aarch64", tmp_path / "none")
    assert host.more_features("Linux", "aarch64", tmp_path) == frozenset()
