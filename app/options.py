"""The window's options on the command line. They win over the preferences and are not remembered. No Qt."""

import argparse
from pathlib import Path

from models import architecture

THEMES = ("dark", "light", "system")
LANGUAGES = ("system", "en", "de")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Takes a parser or a group of one."""
    parser.add_argument("--source", nargs="?", help="a camera, a file, an address or demo; default: as last time")
    parser.add_argument("--size", choices=architecture.available(), help="size of the network")
    parser.add_argument("--threads", type=int, help="threads of the network; 0: as many as suit this machine")
    parser.add_argument("--theme", choices=THEMES, help="colours of the window")
    parser.add_argument("--language", choices=LANGUAGES, help="language of the window")
    parser.add_argument("--preferences", type=Path, metavar="FILE", help="another preferences file")
