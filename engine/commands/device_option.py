"""The option that says what the network runs on, for every command that runs one."""

import argparse

from engine.compiler.gpu.devices import DEVICES


def add_device_argument(parser: argparse.ArgumentParser) -> None:
    """A free word: what it means is checked where devices are opened, together with those that are there."""
    parser.add_argument(
        "--device",
        default="cpu",
        metavar="|".join(DEVICES),
        help="what the network runs on; auto: a GPU if one can be used; opencl:1: the second device (default: cpu)",
    )
