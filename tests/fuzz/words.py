"""Command lines: any options with any values end in a result, a sentence, or argparse's own refusal. No network is run."""

import argparse
import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn
from unittest import mock

import cv2
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

import main
from engine.errors import LitePoseError
from tests.fuzz.files import LABELS, LINE, TUNED
from tests.fuzz.media import image, videos
from tests.fuzz.target import Check, Target

# The window needs a screen, the doctor asks other programs, and benchmarks and searches only measure.
COMMANDS = ("run", "live", "replay", "measure", "compile", "tune", "models", "eval", "train", "bench")
LONG = "n" * 300
# The files that exist; the others do not.
FILES = ("a.png", "a b.mp4", "ü✓.jsonl", "-dash.png", "line\nbreak.jsonl", "labels.json", "tuned.json", "folder")
WORDS = (
    *FILES, "demo", "xs", "s", "m", "xl", "", " ", "-", "--", "-1", "1", "2", "1e400", "nan", "inf", "0.5", "99999999999",
    "auto", "square", "64x64", "0x0", "-5x7", "1x1,2x2", "999999x32", "cpu", "cuda", "opencl:9", "x86-64-v3", "{}", "[]",
    '{"kind": 3}', '{"kind": "llvm"}', '{"kind": "llvm", "mcpu": "x", "num-cores": "y"}', "host:1", "host:port", ":", "torch",
    "tvm", "out.mp4", "out.xyz", "out.jsonl", "out.csv", "no/such/folder/out.mp4", "/dev/null", "\x00", LONG, LONG + ".mp4",
    LONG + ".safetensors", "w.safetensors", "w.pth", "[", "*", "**", "?", "http://", "rtsp://[", "file://x", "screen:x", "csi:x",
    "~", "..", "\udcff.png", "𝕏", "list", "show", "import",
)  # fmt: skip


@st.composite
def lines(draw: DrawFn) -> list[str]:
    name = draw(st.sampled_from(COMMANDS))
    parser = main.build_parser(name)._subparsers
    assert parser is not None
    options = [
        option
        for action in parser._group_actions[0].choices[name]._actions  # type: ignore[index, call-overload]
        if not isinstance(action, argparse._HelpAction)
        for option in action.option_strings[:1]
    ]
    needed = {"replay": ["a b.mp4", "ü✓.jsonl"], "measure": ["ü✓.jsonl"], "run": ["a.png"]}
    words = list(needed.get(name, [])) if draw(st.booleans()) else []
    if name in ("eval", "train") and draw(st.booleans()):
        words += ["--annotations", "labels.json", "--images" if name == "eval" else "--pictures", "folder"]
    for _ in range(draw(st.integers(0, 5))):
        if options and draw(st.integers(0, 2)):
            words.append(draw(st.sampled_from(options)))
        if draw(st.integers(0, 3)):
            words.append(draw(st.sampled_from(WORDS) | st.text(max_size=8)))
    return [name, *words]


class Reached(LitePoseError):  # noqa: N818
    """The command has understood its words and would begin to work."""


def reached(*_args: object, **_kwargs: object) -> NoReturn:
    raise Reached("ready")


@contextlib.contextmanager
def prepare(folder: Path) -> Iterator[Check]:
    cv2.imwrite("a.png", image())
    Path("-dash.png").write_bytes(Path("a.png").read_bytes())
    Path("a b.mp4").write_bytes(videos()[0])
    for name in ("ü✓.jsonl", "line\nbreak.jsonl"):
        Path(name).write_text(json.dumps(LINE) + "\n", encoding="utf-8")
    Path("labels.json").write_text(json.dumps(LABELS), encoding="utf-8")
    Path("tuned.json").write_text(json.dumps(TUNED), encoding="utf-8")
    Path("folder").mkdir()
    with contextlib.ExitStack() as stack:
        for work in (
            "engine.estimator.PoseEstimator.load", "engine.live.LiveSession.start", "engine.commands.compile.export",
            "engine.commands.compile._compile", "engine.commands.compile._prune", "engine.commands.tune._search",
            "engine.commands.tune._check", "engine.commands.bench.compare", "engine.commands.plain_window.PlainWindow",
            "engine.commands.run.expect_screen", "engine.commands.live.expect_screen", "engine.commands.replay.expect_screen",
            "models.checkpoints.synthetic", "models.training.loop.Training", "engine.sources.camera_list.find_cameras", "engine.sources.stream.stream_source",
        ):  # fmt: skip
            with contextlib.suppress(AttributeError):
                stack.enter_context(mock.patch(work, reached))  # a Mock would keep what each call was given
        stack.enter_context(
            mock.patch.dict("os.environ", {"LITEPOSE_WEIGHTS": str(folder), "LITEPOSE_CACHE": str(folder)})
        )
        kept = {path.name for path in folder.iterdir()}

        def check(words: list[str]) -> None:
            said = io.StringIO()
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                try:
                    code = main.main(words)
                except SystemExit as ended:
                    code = int(ended.code or 0)
            assert code in (0, 1, 2), code
            assert "Traceback" not in said.getvalue()
            assert kept <= {path.name for path in folder.iterdir()}, "a file was removed that nobody named"

        yield check


TARGETS = [Target("command lines", lines, prepare)]
