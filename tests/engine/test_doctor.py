"""The doctor: what it says of healthy and of broken machines, and that nothing broken keeps it from speaking."""

import errno
import json
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

import main
from engine.compiler import host, targets
from engine.compiler.host import CoreGroup, Host
from engine.doctor import cache, camera_formats, cameras, compiler, gpus, networks, packages, processor, screen, videos
from engine.doctor.camera_formats import CameraFormat
from engine.doctor.examination import SECTIONS, examine, healthy
from engine.doctor.findings import Finding, State
from engine.errors import CompilerError, SinkError, SourceError
from engine.sources.camera_list import CameraInfo

ROOT = Path(main.__file__).parent


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def test_this_machine_is_healthy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if line in SECTIONS] == list(SECTIONS)
    assert targets.host_preset() in out
    assert "Everything that is needed is there" in out


def test_the_report_can_be_read_by_programs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler, "examine", lambda: [Finding("linker", "none", State.FAULT, "sudo apt install gcc")])
    assert main.main(["doctor", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["healthy"] is False
    assert set(report["sections"]) == set(SECTIONS)
    assert report["sections"]["Compiler"] == [
        {"name": "linker", "value": "none", "state": "fault", "remedy": "sudo apt install gcc"}
    ]


def test_it_speaks_where_no_package_is_installed() -> None:
    """-S leaves out everything that pip installs."""
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys; sys.path.insert(0, {str(ROOT)!r}); import main; sys.exit(main.main())",
            "doctor",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "pip install numpy==" in done.stdout
    assert "No module named" in done.stdout


def test_a_section_that_cannot_work_costs_only_itself() -> None:
    def load(module: str):  # type: ignore[no-untyped-def]
        def missing() -> list[Finding]:
            raise ImportError("No module named 'av'")

        def failing() -> list[Finding]:
            raise CompilerError("This processor is not supported.")

        return missing if module.endswith("videos") else failing if module.endswith("processor") else list

    sections = dict(examine(load))
    assert not healthy(sections)
    assert sections["Videos"][0].remedy == "pip install -r requirements.txt"
    assert sections["Processor"][0].value == "This processor is not supported."
    assert sections["Cache"] == []


@pytest.mark.parametrize(
    ("package", "installed", "state", "remedy"),
    [
        ("numpy", "2.4.6", State.GOOD, ""),
        ("torch", "2.4.6+cpu", State.GOOD, ""),
        ("numpy", "2.5.0", State.NOTE, "pip install numpy==2.4.6"),
        ("numpy", None, State.FAULT, "pip install numpy==2.4.6"),
        ("torch", None, State.NOTE, "pip install torch==2.4.6"),
        ("apache-tvm", "0.28", State.FAULT, "pip install apache-tvm==2.4.6"),
        ("apache-tvm-ffi", "0.1.15.post2", State.FAULT, "pip install apache-tvm-ffi==2.4.6"),
        ("apache-tvm-ffi", "0.1.13", State.NOTE, "pip install apache-tvm-ffi==2.4.6"),
    ],
)
def test_versions_are_compared(package: str, installed: str | None, state: State, remedy: str) -> None:
    finding = packages.check(package, "2.4.6", installed)
    assert (finding.state, finding.remedy) == (state, remedy)


def test_requirements_are_read_from_the_checkout_or_the_installation(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert packages.pinned_versions()["numpy"]
    monkeypatch.setattr(packages, "REQUIREMENTS", tmp_path / "none")
    listed = ["numpy==1.0", 'mss==2.0; extra == "screen"', "# a comment", "scipy>=3"]
    monkeypatch.setattr(packages.importlib.metadata, "requires", lambda name: listed)
    assert packages.pinned_versions() == {"numpy": "1.0"}


def test_an_old_python_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 1, "final", 0))
    assert by_name(packages.examine())["Python"].state is State.FAULT


BIG_LITTLE = (CoreGroup(4, 1024, 2400, "0x41/0xd0b"), CoreGroup(4, 446, 1800, "0x41/0xd05"))


def test_the_choice_of_target_and_threads_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    board = Host("aarch64", "Linux", "Radxa ROCK 5B", frozenset({"ASIMD", "ASIMDHP", "ASIMDDP"}), BIG_LITTLE)
    monkeypatch.setattr(host, "detect", lambda: board)
    found = by_name(processor.examine())
    assert found["processor"].value == "Radxa ROCK 5B, aarch64"
    assert "4 (2.40 GHz, part 0x41/0xd0b); 4 (1.80 GHz, part 0x41/0xd05, 44% speed)" in found["cores"].value
    assert found["threads"].value == "4, the others are slower, and would be waited for"
    assert found["target"].value.startswith("rpi5: ")


def test_a_container_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    box = Host("x86-64", "Linux", "", frozenset({"AVX2", "FMA3"}), (CoreGroup(8, 1024),), quota=2.0)
    monkeypatch.setattr(host, "detect", lambda: box)
    found = by_name(processor.examine())
    assert found["threads"].value == "2, as many as the container may use"
    assert found["limit"].value == "this container may use 2 processors"


def test_a_processor_without_a_target_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "detect", lambda: Host("riscv64", "Linux", "", frozenset(), (CoreGroup(4, 1024),)))
    assert by_name(processor.examine())["target"].state is State.FAULT


def test_a_library_that_ends_its_process_is_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "RUNTIME", "import os; os.abort()")
    found = by_name(compiler.examine())["TVM runtime"]
    assert found.state is State.FAULT
    assert "signal 6" in found.value
    assert "apache-tvm==" in found.remedy


def test_a_machine_that_is_too_slow_is_not_called_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "RUNTIME", "import time; time.sleep(60)")
    monkeypatch.setattr(compiler, "COMPILER", "")
    monkeypatch.setattr(compiler, "PROBE_S", 0.5)
    found = by_name(compiler.examine())["TVM runtime"]
    assert found.state is State.NOTE
    assert "slow or busy" in found.value


def test_a_missing_linker_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> list[str]:
        raise CompilerError("no linker")

    monkeypatch.setattr(compiler, "find_linker", none)
    monkeypatch.setattr(compiler, "_probe", lambda name, script: Finding(name, "loads"))
    assert "apt install gcc" in by_name(compiler.examine())["linker"].remedy


@pytest.mark.parametrize(
    ("script", "value", "state"),
    [
        (
            'print(\'{"names": ["Mali-G610", "PoCL"]}\')',
            "Mali-G610 (--device opencl), PoCL (--device opencl:1)",
            State.GOOD,
        ),
        ('print(\'{"reason": "No driver."}\')', "not used: No driver.", State.GOOD),
        ("import os; os.abort()", "the driver fails: ends with signal 6", State.NOTE),
        ("import time; time.sleep(60)", "the driver does not answer within 1 s", State.NOTE),
    ],
)
def test_a_gpu_is_named_and_its_driver_survived(
    script: str, value: str, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpus, "PROBE_S", 60.0 if state is State.GOOD or "abort" in script else 1.0)
    found = gpus.device("opencl", script)
    assert (found.value, found.state) == (value, state)


def test_no_gpu_is_no_fault() -> None:
    assert State.FAULT not in {finding.state for finding in gpus.examine()}


def test_weights_are_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert by_name(networks.examine())["xs"].state is State.GOOD
    (tmp_path / "xs.safetensors").write_bytes(b"damaged")
    monkeypatch.setenv("LITEPOSE_WEIGHTS", str(tmp_path))
    assert by_name(networks.examine())["xs"].state is State.FAULT


def test_a_cache_without_room_is_a_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LITEPOSE_CACHE", str(tmp_path / "new" / "cache"))
    assert by_name(cache.examine())["place"].value.endswith("(not there yet)")
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 50e6))
    found = by_name(cache.examine())["free space"]
    assert (found.value, found.state) == ("50 MB", State.FAULT)


def test_a_cache_that_cannot_be_made_is_a_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LITEPOSE_CACHE", str(tmp_path / "file" / "cache"))
    found = by_name(cache.examine())["place"]
    assert found.state is State.FAULT
    assert "LITEPOSE_CACHE" in found.remedy


def test_useless_networks_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LITEPOSE_CACHE", str(tmp_path))
    (tmp_path / "xs-64x64-rpi5-0123456789abcdef").mkdir()
    found = by_name(cache.examine())["content"]
    assert "1 of them" in found.value
    assert found.remedy == "main.py compile --prune"


def camera(path: str) -> CameraInfo:
    return CameraInfo("Webcam", "camera:Webcam", ((200, 0),), path=path)


def no_service() -> list[CameraInfo]:
    raise SourceError("The system does not list its cameras.")


def test_cameras_are_listed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    device = tmp_path / "video0"
    device.touch()
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(camera_formats, "formats", lambda path: [CameraFormat("MJPG", (1280, 720), (60.0, 30.0))])
    findings = cameras.examine(lambda: [camera(str(device))])
    assert [finding.value for finding in findings] == [
        f'{device}; choose it with --source "camera:Webcam"',
        "MJPG 1280×720 at 60, 30 frames/s",
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="asks Video4Linux")
def test_what_is_no_camera_is_no_crash(tmp_path: Path) -> None:
    device = tmp_path / "video0"
    device.touch()
    assert by_name(cameras.examine(lambda: [camera(str(device))]))["Webcam"].state is State.GOOD
    gone = by_name(cameras.examine(lambda: [camera(str(tmp_path / "gone"))]))["Webcam"]
    assert gone.state is State.NOTE
    assert by_name(cameras.examine(no_service))["cameras"].state is State.FAULT
    assert by_name(cameras.examine(list))["cameras"].state is State.NOTE


@pytest.mark.skipif(sys.platform != "linux", reason="Video4Linux")
def test_formats_are_asked_of_the_driver(tmp_path: Path) -> None:
    device = tmp_path / "video0"
    device.touch()
    mjpg, yuyv = int.from_bytes(b"MJPG", "little"), int.from_bytes(b"YUYV", "little")
    sizes = {mjpg: [(640, 480), (1920, 1080)], yuyv: [(640, 480)]}

    def driver(file: int, request: int, buffer: bytearray) -> None:
        end = OSError(errno.EINVAL, "no more")
        if request == camera_formats.ENUM_FORMATS:
            index, *_ = camera_formats.FORMAT.unpack(buffer)
            if index >= len(sizes):
                raise end
            buffer[:] = camera_formats.FORMAT.pack(index, 1, 0, b"name", list(sizes)[index], 0)
        elif request == camera_formats.ENUM_SIZES:
            index, pixels, *_ = camera_formats.SIZE.unpack(buffer)
            if index >= len(sizes[pixels]):
                raise end
            buffer[:] = camera_formats.SIZE.pack(index, pixels, 1, *sizes[pixels][index], 0, 0, 0, 0)
        else:
            index, pixels, width, height, *_ = camera_formats.INTERVAL.unpack(buffer)
            rates = [(1, 30), (1001, 60000)] if pixels == mjpg else []
            if index >= len(rates):
                raise end
            buffer[:] = camera_formats.INTERVAL.pack(index, pixels, width, height, 1, *rates[index], 0, 0, 0, 0)

    assert camera_formats.formats(device, driver) == [
        CameraFormat("MJPG", (1920, 1080), (59.94, 30.0)),
        CameraFormat("MJPG", (640, 480), (59.94, 30.0)),
        CameraFormat("YUYV", (640, 480), ()),
    ]


def test_an_encoder_is_named_or_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert by_name(videos.examine())["encoder"].state is State.GOOD

    def none() -> None:
        raise SinkError("Videos cannot be recorded.")

    monkeypatch.setattr(videos, "working_encoder", none)
    assert by_name(videos.examine())["encoder"].state is State.NOTE


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a screen")
def test_no_screen_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in screen.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    (finding,) = screen.examine()
    assert finding.state is State.NOTE


def test_the_window_is_tried_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    assert by_name(screen.examine())["window"].value.startswith("offscreen, ")


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("ImportError: libEGL.so.1: cannot open shared object file", "libegl1"),
        ('qt.qpa.plugin: Could not load the Qt platform plugin \\"xcb\\"', "libxcb-cursor0"),
        ("ModuleNotFoundError: No module named 'PyQt6'", "pip install"),
    ],
)
def test_what_qt_misses_is_named(said: str, remedy: str) -> None:
    found = screen.window(f'import sys; sys.stderr.write("{said}"); sys.exit(1)')
    assert found.state is State.FAULT
    assert remedy in found.remedy


def test_colours_are_for_terminals_only(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.commands.doctor import line

    good = Finding("linker", "/usr/bin/cc")
    assert "\033" not in line(good)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\033[32m" in line(good)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\033" not in line(good)
    assert os.environ["NO_COLOR"]
