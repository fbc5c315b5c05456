"""LitePose Live: one entry point. Parses the command's name, imports that command alone, and hands over."""

import argparse
import errno
import importlib
import logging
import os
import sys
from pathlib import Path

from engine.version import VERSION

INSTALLED = "litepose-live"
COMMANDS = {
    "run": "find people in pictures, folders and videos",
    "live": "follow people live, with recordings and streams, without a window",
    "replay": "draw recorded keypoints onto their video again",
    "measure": "joint angles and speeds over time, from a keypoint file",
    "bench": "time every stage, and other runtimes beside ours",
    "compile": "compile networks ahead of their first use, here or for a board",
    "tune": "search the fastest kernels of a network, here or on a board",
    "doctor": "what this machine has, what is missing, and what mends it",
    "models": "list, show and import network sizes and weights",
    "eval": "measure a network's accuracy on labelled pictures",
    "train": "train a network on labelled pictures",
}


def build_parser(chosen: str | None) -> argparse.ArgumentParser:
    """The parser of the whole program. Only the chosen command's options are built, so that no other command is imported."""
    parser = argparse.ArgumentParser(
        prog=INSTALLED if Path(sys.argv[0]).stem == INSTALLED else "main.py",
        description="LitePose Live: real-time multi-person pose tracking on a plain CPU.",
    )
    parser.add_argument("--version", action="version", version=f"LitePose Live {VERSION}")
    parser.add_argument("-v", "--verbose", action="store_true", help="log what happens, not only warnings")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    if chosen not in COMMANDS:
        window = parser.add_argument_group("the window, which opens where no command is given")
        importlib.import_module("app.options").add_arguments(window)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if name == chosen:
            importlib.import_module(f"engine.commands.{name}").add_arguments(command)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs one command. Returns 0 when done, 1 when it failed with a message, 2 for wrong usage."""
    arguments = sys.argv[1:] if arguments is None else arguments
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    options = build_parser(chosen).parse_args(arguments)
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING, format="%(levelname)s: %(message)s")
    from models.errors import LitePoseError

    try:
        module = f"engine.commands.{options.command}" if options.command else "app.launch"
        return int(importlib.import_module(module).main(options))
    except LitePoseError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # Who read the output, such as `head`, has had enough. Python would complain once more when it closes the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        print(f"error: A name is too long for a file: “{error.filename}”. Give a shorter one.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
