"""The window's options on the command line. They win over the preferences and are not remembered. No Qt."""

import argparse
import re
from collections.abc import Callable
from pathlib import Path

from app.network_settings import SETTINGS, known, offered
from app.preferences import LANGUAGES, THEMES
from models import architecture

OVERRIDING = (
    *("source", "size", "max_people", "threads", "input_mode", *SETTINGS),
    *("width", "height", "rate", "theme", "language"),
)
"""Those that stand for a field of the preferences."""


def _one_of(values: tuple[str, ...]) -> Callable[[str], str]:
    def check(word: str) -> str:
        if not known(word, values):
            raise argparse.ArgumentTypeError(f"“{word}” is none of {', '.join(values)}")
        return word

    return check


class _Resolution(argparse.Action):
    """WxH into `width` and `height`."""

    def __call__(
        self, parser: argparse.ArgumentParser, args: argparse.Namespace, text: object, *unused: object
    ) -> None:
        found = re.fullmatch(r"(\d+)x(\d+)", str(text))
        if not found:
            parser.error(f"“{text}” is no resolution such as 1280x720")
        args.width, args.height = int(found[1]), int(found[2])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Takes a parser or a group of one."""
    parser.add_argument("--source", nargs="?", help="a camera, a file, an address or demo; default: as last time")
    parser.add_argument("--size", choices=architecture.available(), help="size of the network")
    parser.add_argument("--people", dest="max_people", type=int, metavar="N", help="people at most")
    parser.add_argument("--threads", type=int, metavar="N", help="of the network; 0: as many as suit this machine")
    parser.add_argument("--input", dest="input_mode", metavar="SHAPE", help="auto, square or WxH")
    for name in SETTINGS:
        values = offered(name)
        words = "|".join(values)
        parser.add_argument(f"--{name}", type=_one_of(values), metavar=words, help=f"{name} that the network runs with")
    parser.add_argument("--resolution", action=_Resolution, metavar="WxH", help="asked of a camera")
    parser.add_argument("--rate", type=int, metavar="FPS", help="asked of a camera")
    parser.add_argument("--theme", choices=THEMES, help="colours of the window")
    parser.add_argument("--language", choices=LANGUAGES, help="language of the window")
    entry = parser.add_mutually_exclusive_group()
    entry.add_argument(
        "--install-desktop", action="store_true", help="put the program into the desktop's menu, and end"
    )
    entry.add_argument("--remove-desktop", action="store_true", help="take it out again, and end")
    parser.add_argument("--preferences", type=Path, metavar="FILE", help="another preferences file")
