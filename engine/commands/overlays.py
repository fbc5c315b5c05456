"""Options for what is drawn, shared by the commands that draw."""

import argparse

from engine.drawing import DrawingSettings

SUMMARIES = {
    "boxes": "boxes around people",
    "ids": "numbers of people",
    "trails": "where people came from",
    "heatmap": "where the network sees joints",
    "blur-faces": "faces made unrecognisable, also in recordings",
    "privacy": "skeletons on black, also in recordings",
}


def add_overlay_arguments(parser: argparse.ArgumentParser, *, without: tuple[str, ...] = ()) -> None:
    """without: overlays that the command cannot draw."""
    group = parser.add_argument_group("overlays")
    group.add_argument("--no-skeletons", action="store_true", help="no skeletons")
    for name, summary in SUMMARIES.items():
        if name not in without:
            group.add_argument(f"--{name}", action="store_true", help=summary)


def drawing_settings(args: argparse.Namespace) -> DrawingSettings:
    """What the options ask for."""
    wanted = {name.replace("-", "_"): getattr(args, name.replace("-", "_"), False) for name in SUMMARIES}
    return DrawingSettings(skeletons=not args.no_skeletons, **wanted)
