"""The options that say what the network runs on and how it computes, for every command that runs one."""

import argparse

from engine.compiler.gpu.devices import DEVICES
from engine.compiler.targets import PRECISIONS


def add_device_argument(parser: argparse.ArgumentParser) -> None:
    """A free word: what it means is checked where devices are opened, together with those that are there."""
    parser.add_argument(
        "--device",
        default="cpu",
        metavar="|".join(DEVICES),
        help="what the network runs on; auto: a GPU if one can be used; opencl:1: the second device (default: cpu)",
    )


def add_precision_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="fp32",
        help="fp16: half precision, faster on cores that have its arithmetic, such as a Raspberry Pi 5's; experimental; "
        "int8: most of it in 8 bits, faster on cores with AVX-512 VNNI, AVX-VNNI or ARM's dot products (default: fp32)",
    )
