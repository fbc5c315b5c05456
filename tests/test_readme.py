"""What the README and the documents say holds: commands, options, links, files, figures and messages."""

import ast
import contextlib
import io
import json
import re
import shlex
import shutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import pytest
from skimage import data

from engine.sources import demo
from main import COMMANDS, build_parser, main
from models import manifest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "assets/CREDITS.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "models" / "weights").glob("*.md")),
]
TROUBLES = [README, ROOT / "docs" / "troubleshooting.md"]
ROOMS = ("app/", "assets/", "docs/", "engine/", "models/", "tests/", ".ci/")
CLIP_FRAMES = 20


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", read(path), re.MULTILINE | re.DOTALL)


def prose(path: Path) -> str:
    """The document without its blocks of code."""
    return re.sub(r"^```.*?^```", "", read(path), flags=re.MULTILINE | re.DOTALL)


def shell_commands(path: Path) -> list[list[str]]:
    """The words of every command in the shell blocks, without comments."""
    commands: list[list[str]] = []
    for block in blocks(path, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            words: list[str] = []
            for word in [*shlex.split(line, comments=True), "&&"]:
                if word in ("&&", "|", ";"):
                    commands += [words] if words else []
                    words = []
                else:
                    words.append(word)
    return commands


def arguments_of(words: list[str]) -> list[str] | None:
    """What a command hands to main.py; None where it does not start it."""
    if words[0] == "make" and len(words) > 1 and words[1] in ("run", "train", "bench"):
        given = [shlex.split(word.removeprefix("ARGS=")) for word in words if word.startswith("ARGS=")]
        return [*([] if words[1] == "run" else [words[1]]), *(given[0] if given else [])]
    for number, word in enumerate(words[:2]):
        if word in ("main.py", "litepose-live"):
            return words[number + 1 :]
    return None


def parse(arguments: list[str]) -> str:
    """-> what is wrong with them, as main.py would say it; "" where nothing is."""
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            build_parser(chosen).parse_args(arguments)
    except SystemExit as end:
        return said.getvalue() if end.code else ""
    return ""


def option_strings(command: str) -> set[str]:
    """Every option of a command and of what comes after it."""
    said = io.StringIO()
    parsers = [
        [command],
        *([[command, action] for action in ("list", "show", "import", "calibrate")] if command == "models" else []),
    ]
    for words in parsers:
        with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
            build_parser(command).parse_args([*words, "-h"])
    return set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", said.getvalue()))


def main_commands() -> list[tuple[str, list[str]]]:
    return [
        (path.name, arguments)
        for path in DOCUMENTS
        for words in shell_commands(path)
        if (arguments := arguments_of(words)) is not None
    ]


@pytest.mark.parametrize(
    "arguments", [arguments for _, arguments in main_commands()], ids=[name for name, _ in main_commands()]
)
def test_commands_in_blocks_are_understood(arguments: list[str]) -> None:
    assert parse(arguments) == ""


def test_the_parser_would_notice_a_wrong_option() -> None:
    assert "--no-such-option" in parse(["run", "demo", "--no-such-option"])
    assert "nonsense" in parse(["nonsense"])


def in_line() -> list[tuple[str, str, str]]:
    """(document, command, rest) of what the prose says about main.py; words may stand for others there."""
    found = []
    for path in DOCUMENTS:
        for code in re.findall(r"`([^`\n]+)`", prose(path)):
            if match := re.search(r"main\.py(?: -v)? ([a-z]+)(.*)", code):
                found.append((path.name, match[1], match[2]))
    return found


def test_commands_in_sentences_exist_with_their_options() -> None:
    assert in_line()
    for document, command, rest in in_line():
        assert command in COMMANDS, f"{document}: main.py {command}"
        unknown = set(re.findall(r"(?<![\w-])--[a-z-]+", rest)) - option_strings(command)
        assert not unknown, f"{document}: main.py {command} has no {unknown}"


def test_make_has_every_target_that_is_named() -> None:
    targets = set(re.findall(r"^([\w-]+):", read(ROOT / "Makefile"), re.MULTILINE))
    named = {words[1] for path in DOCUMENTS for words in shell_commands(path) if words[0] == "make"}
    named |= {word for path in DOCUMENTS for word in re.findall(r"`make ([\w-]+)", prose(path))}
    assert {"run", "test", "train"} <= named
    assert named <= targets


def test_modules_that_are_started_exist() -> None:
    named = set(re.findall(r"python -m ((?:tests|engine|models|app)\.[\w.]+)", "".join(map(read, DOCUMENTS))))
    assert named
    paths = {name: ROOT / name.replace(".", "/") for name in named}
    scripts = {name: [path.with_suffix(".py"), path / "__main__.py"] for name, path in paths.items()}
    assert [name for name, places in scripts.items() if not any(place.is_file() for place in places)] == []


def test_every_command_has_its_row() -> None:
    table = read(README).split("| Command |")[1].split("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(COMMANDS)


def anchor(heading: str) -> str:
    """As GitHub makes it of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_relative_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, heading = target.partition("#")
        there = path.parent / file if file else path
        assert there.exists(), target
        if heading:
            assert heading in map(anchor, re.findall(r"^#+ (.*)$", prose(there), re.MULTILINE)), target


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_files_that_are_named_exist(path: Path) -> None:
    words = [word for command in shell_commands(path) for word in command]
    words += [word for code in re.findall(r"`([^`\n]+)`", prose(path)) for word in code.split()]
    missing = [
        word
        for word in words
        if word.startswith(ROOMS) or re.fullmatch(r"requirements[\w-]*\.txt", word)
        if not {"…", "NAME", "DIR"} & set(re.split(r"[/.]", word)) and not list(ROOT.glob(word))
    ]
    # What a reader makes by the lines above it.
    assert set(missing) <= {"requirements-board.txt", "assets/tuning/*.json"}


def said_by_the_program() -> str:
    """All texts in the source, one a line, with … for what is filled in."""
    texts = []
    for room in ("app", "engine", "models"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(read(path))):
                if isinstance(node, ast.JoinedStr):
                    parts = [part.value if isinstance(part, ast.Constant) else "…" for part in node.values]
                    texts.append("".join(map(str, parts)))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts.append(node.value)
    return "\n".join(texts)


@pytest.mark.parametrize("path", TROUBLES, ids=lambda path: path.name)
def test_messages_are_those_of_the_program(path: Path) -> None:
    said = said_by_the_program()
    tables = re.findall(r"^\| Message \|.*\n\|[-| ]+\n((?:\|.*\n)+)", prose(path), re.MULTILINE)
    messages = [row.split("|")[1].strip() for table in tables for row in table.splitlines()]
    assert len(messages) > 5
    for message in messages:
        pattern = ".+?".join(re.escape(part) for part in message.split("…"))
        assert re.search(pattern, said), f"{path.name}: {message}"


@pytest.fixture
def no_weights_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LITEPOSE_WEIGHTS", str(tmp_path / "none"))


@pytest.mark.usefixtures("no_weights_of_the_user")
def test_the_table_of_sizes_is_what_the_program_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list"]) == 0
    assert capsys.readouterr().out.strip() in read(README)


@pytest.mark.usefixtures("no_weights_of_the_user")
def test_accuracy_is_that_of_the_manifest() -> None:
    xs, s = ({figure.part: f"{figure.ap:.3f}" for figure in weights.figures} for weights in manifest.read().values())
    for path in (README, ROOT / "CHANGELOG.md"):
        assert f"an AP of {xs['all']} on" in read(path)
        assert re.search(rf"{re.escape(xs['coco'])} on (the 80 of )?th", read(path))
        assert f"S, at its larger input, {s['all']} and {s['coco']}." in read(path)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder as the examples expect it, where the bundled clip is its first frames only."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "assets").mkdir()
    (folder / "holiday").mkdir()
    picture = data.astronaut()[:, :, ::-1]
    for name in ("team.jpg", "holiday/1.jpg", "holiday/2.jpg"):
        cv2.imwrite(str(folder / name), picture)
    clip = folder / "assets" / "demo.mp4"
    with av.open(str(demo.DEMO_CLIP)) as source, av.open(str(clip), "w") as target:
        stream = target.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for number, frame in zip(range(CLIP_FRAMES), source.decode(video=0)):
            small = frame.reformat(640, 360, "yuv420p")
            small.pts, small.time_base = number, Fraction(1, 30)
            target.mux(stream.encode(small))
        target.mux(stream.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(demo, "DEMO_CLIP", clip)
        yield folder
    shutil.rmtree(folder)


def test_the_command_line_s_examples_run_as_they_stand(place: Path) -> None:
    (block,) = [block for block in blocks(README, "sh") if "main.py run demo" in block]
    for line in block.splitlines():
        words = [found for word in shlex.split(line) for found in sorted(map(str, Path().glob(word))) or [word]]
        arguments = arguments_of(words)
        assert arguments is not None
        assert main(arguments) == 0, line
    made = ["demo.mp4", "demo.jsonl", "annotated/1.jpg", "annotated/2.jpg", "people.json"]
    made += ["live.mp4", "live.jsonl", "again.mp4", "angles.csv"]
    assert [name for name in made if not (place / name).stat().st_size] == []


def test_the_line_of_jsonl_has_what_lines_have(place: Path) -> None:
    (block,) = blocks(README, "json")
    shown = json.loads(block)
    assert main(["run", "team.jpg", "--save-keypoints", "line.jsonl"]) == 0
    written = json.loads(read(place / "line.jsonl"))
    assert shown.keys() == written.keys()
    assert shown["people"][0].keys() == written["people"][0].keys()
    joints = [joint for joint in written["people"][0]["keypoints"] if joint is not None]
    assert len(shown["people"][0]["keypoints"][0]) == len(joints[0])


def test_the_python_examples_run_as_they_stand(place: Path) -> None:
    pictures, loop = blocks(README, "python")
    names: dict[str, Any] = {}
    exec(compile(pictures, "README", "exec"), names)
    poses = names["poses"]
    assert poses.keypoints.shape == (len(poses), 17, 2)
    assert len(poses)
    exec(compile(loop, "README", "exec"), names)
    assert "result" in names
