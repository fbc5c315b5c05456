"""`main.py live` as a user types it, with the real network on the bundled clip."""

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

import av
import pytest
from live_fakes import FakeSource, Networks, wait_for

from engine.errors import CompilerError, SourceError
from engine.live import EventKind, LiveOptions, LiveSession, SessionState
from engine.live.loader import BuildOrder, build_in_process
from engine.sources import SourceSettings
from main import main

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "assets" / "demo.mp4"
FRAMES = 12


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first frames of the demo."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with av.open(str(DEMO)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for number, frame in zip(range(FRAMES), source.decode(video=0)):
            picture = frame.reformat(640, 360, "yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, 30)
            target.mux(stream.encode(picture))
        target.mux(stream.encode())
    return path


def live(*words: object) -> int:
    return main(["live", *map(str, words)])


def frames_of(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_a_file_is_followed_to_its_end_and_recorded_whole(clip, tmp_path, capsys):
    video, keypoints, figures = tmp_path / "out.mp4", tmp_path / "out.jsonl", tmp_path / "figures.json"
    assert live("--source", clip, "--fast", "--record", video, "--keypoints", keypoints, "--json", figures) == 0
    printed = capsys.readouterr()
    assert f"{FRAMES} frames in" in printed.out
    assert str(video) in printed.out
    assert "Reading “clip.mp4”, 640×360." in printed.err
    assert frames_of(video) == FRAMES
    lines = [json.loads(line) for line in keypoints.read_text("utf-8").splitlines()]
    assert [line["frame"] for line in lines] == list(range(FRAMES))
    assert any(person["id"] is not None for line in lines for person in line["people"])
    report = json.loads(figures.read_text("utf-8"))
    assert report["figures"]["inferred"] == report["figures"]["recorded"] == FRAMES
    assert report["figures"]["dropped"] == 0
    assert {"wait", "resize", "network", "decode", "grouping", "tracking"} <= report["figures"]["stages"].keys()


def test_time_is_up_after_the_seconds_that_were_given(capsys):
    started = time.monotonic()
    assert live("--source", "demo", "--seconds", 1) == 0
    assert 1 <= time.monotonic() - started < 20
    assert "frames in" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--source", "missing.mp4"], "missing.mp4"),
        (["--record", "nowhere/out.mp4"], "nowhere"),
        (["--size", "huge"], "huge"),
    ],
)
def test_what_cannot_be_is_one_clear_line_and_exit_code_1(clip, words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = [] if "--source" in words else ["--source", clip]
    assert live("--fast", *source, *words) == 1
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(error) == 1
    assert said in error[0]


def test_a_camera_that_does_not_come_back_is_exit_code_1_and_what_it_gave_is_kept(tmp_path, capsys, monkeypatch):
    from engine.commands import live as command

    def script(source):
        yield from [(96, 64)] * 3
        yield SourceError("The camera was unplugged.")

    plans = iter([script])

    def camera(text, settings):
        return FakeSource(next(plans, lambda source: iter([SourceError("It is gone.")])), settings)

    monkeypatch.setattr(
        command,
        "LiveSession",
        lambda options, told: LiveSession(options, told, source_factory=camera, estimator_factory=Networks()),
    )
    video = tmp_path / "a.mp4"
    assert live("--source", "camera", "--seconds", 1, "--record", video) == 1
    printed = capsys.readouterr()
    assert "The camera was unplugged. Trying to reconnect." in printed.err
    assert "error: The source was lost" in printed.err
    assert f"saved: {video}" in printed.out
    assert frames_of(video) >= 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--threads", 0], "--threads"),
        (["--seconds", -1], "--seconds"),
        (["--resolution", "big"], "1280x720"),
        (["--threshold", 3], "between 0 and 1"),
        (["--rotate", 45], "45"),
    ],
)
def test_wrong_usage_is_exit_code_2(words, said, capsys):
    assert live("--source", "demo", *words) == 2
    assert said in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_ctrl_c_finishes_the_recording(tmp_path):
    video = tmp_path / "out.mp4"
    command = [sys.executable, str(ROOT / "main.py"), "live", "--source", "demo", "--record", str(video)]
    command += ["--mjpeg", "--websocket"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    ) as process:
        try:
            wait_for(lambda: video.exists() and video.stat().st_size > 20_000)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0, err
    assert f"saved: {video}" in out
    assert "http://127.0.0.1:" in out
    assert "Traceback" not in err
    assert frames_of(video) > 0


def test_the_size_is_switched_while_the_clip_plays():
    """Another size's weights would have to be built; the same ones under another name are in the cache."""
    weights = ROOT / "models" / "weights" / "xs.safetensors"
    events = []
    with LiveSession(LiveOptions(source_settings=SourceSettings(real_time=True)), events.append) as session:
        wait_for(lambda: session.state is SessionState.RUNNING)
        before = threading.active_count()
        session.switch_size(weights)
        wait_for(lambda: [event for event in events if event.kind is EventKind.SIZE])
        index = session.latest().index
        wait_for(lambda: session.latest().index > index + 3)
        assert session.options.size == str(weights)
        session.switch_size("huge")
        wait_for(lambda: [event for event in events if event.kind is EventKind.WARNING])
        index = session.latest().index
        wait_for(lambda: session.latest().index > index + 3)
        assert session.options.size == str(weights)
        wait_for(lambda: threading.active_count() <= before)


def test_a_network_is_built_in_a_process_of_its_own(monkeypatch, tmp_path):
    steps: list[str] = []
    order = BuildOrder("huge", "auto", None, 64, 48)
    with pytest.raises(CompilerError, match="huge"):
        build_in_process(order, steps.append, threading.Event())
    # Given up at once, it leaves no process and nothing half-made behind.
    monkeypatch.setenv("LITEPOSE_CACHE", str(tmp_path))
    cancelled = threading.Event()
    timer = threading.Timer(1.0, cancelled.set)
    timer.start()
    started = time.monotonic()
    build_in_process(BuildOrder("xs", "auto", None, 64, 48), steps.append, cancelled)
    assert time.monotonic() - started < 5
    timer.join()
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith(".")]


def test_what_is_asked_of_a_camera_reaches_it():
    from engine.commands.live import add_arguments, live_options

    parser = argparse.ArgumentParser()
    add_arguments(parser)
    words = "--source camera:X --resolution 1280x720 --rate 60 --exposure -6 --focus 30 --rotate 180 --mirror"
    settings = live_options(parser.parse_args(words.split())).source_settings
    assert (settings.width, settings.height, settings.fps) == (1280, 720, 60)
    assert (settings.exposure, settings.focus, settings.rotate, settings.mirror) == (-6, 30, 180, True)


def test_without_a_source_the_first_camera_is_taken_or_the_clip(monkeypatch):
    from engine.commands import live as command

    monkeypatch.setattr(command, "find_cameras", list)
    assert command.default_source() == "demo"
    monkeypatch.setattr(command, "find_cameras", lambda: ["one"])
    assert command.default_source() == "camera"


def test_an_unset_display_is_no_reason_to_die(monkeypatch, capsys):
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delitem(os.environ, name, raising=False)
    assert live("--source", "demo", "--show") == 2
    assert "no screen" in capsys.readouterr().err
