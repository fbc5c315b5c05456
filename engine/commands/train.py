"""`main.py train`: train a network on labelled pictures, or go on with a run."""

import argparse
import os
import signal
from pathlib import Path
from types import FrameType

from tqdm import tqdm

from engine.errors import UsageError
from models.architecture import SIZES
from models.skeleton import skeleton_named
from models.training import settings as training_settings

CONFIGS = Path(training_settings.__file__).parent / "configs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--size", choices=SIZES, default="xs", help="train a size with its own settings (default: xs)")
    which.add_argument(
        "--config", type=Path, metavar="YAML", help="settings of the run, such as those in models/training/configs"
    )
    parser.add_argument(
        "--annotations", type=Path, required=True, nargs="+", metavar="JSON", help="COCO-style labels, may be .gz"
    )
    parser.add_argument(
        "--pictures", type=Path, required=True, nargs="+", metavar="DIR|TAR", help="the pictures: folders or tar files"
    )
    parser.add_argument(
        "--validate",
        type=Path,
        nargs="+",
        metavar="JSON",
        help="labels of other pictures, to measure the losses on; the best weights are kept as best.safetensors",
    )
    parser.add_argument(
        "--validate-every",
        type=int,
        default=5000,
        metavar="N",
        help="views trained between two measurements (default: 5000)",
    )
    parser.add_argument("--output", type=Path, metavar="DIR", help="the run's folder (default: runs/SIZE)")
    parser.add_argument("--minutes", type=float, metavar="N", help="stop after so many minutes; --resume goes on later")
    parser.add_argument("--views", type=int, metavar="N", help="stop when so many views have been trained in all")
    parser.add_argument("--resume", action="store_true", help="go on exactly where the run in the folder stopped")
    parser.add_argument("--init", metavar="SIZE|FILE", help="start from these weights where shapes agree")
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="processes that prepare pictures (default: 1)"
    )
    parser.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="CPU threads of the network; one is best beside other work (default: cores)",
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), help="default: cuda where there is one")


def main(args: argparse.Namespace) -> int:
    settings = training_settings.load(args.config or CONFIGS / f"{args.size}.yaml")
    folder = args.output or Path("runs") / (args.config.stem if args.config else args.size)
    if args.resume and args.init:
        raise UsageError("--resume goes on with the run's own weights. Leave out --init, or start a new run with it.")
    if args.validate_every < 1:
        raise UsageError(f"--validate-every counts views and is at least 1, not {args.validate_every}.")
    from models.training.dataset import Sources
    from models.training.loop import Training
    from models.training.validation import Validation

    skeleton = skeleton_named(settings.skeleton)
    sources = Sources.open(args.annotations, args.pictures, skeleton)
    validation = None
    if args.validate:
        others = Sources.open(args.validate, args.pictures, skeleton)
        validation = Validation(others, settings, skeleton, args.validate_every)
    training = Training(settings, sources, folder, args.workers, args.device, args.threads, validation)
    if training.state_path.exists() and not args.resume:
        raise UsageError(f"There is a run in “{folder}” already. Add --resume to go on, or choose another --output.")
    first = int(os.environ.get("RANK", 0)) == 0
    if args.resume:
        training.resume()
    elif args.init:
        taken = training.start_from(args.init)
        if first:
            print(
                f"{taken} of {sum(1 for name in training.network.state_dict() if not name.endswith('num_batches_tracked'))} tensors taken from {args.init}."
            )
    if first:
        way = "plain PyTorch" if training.device.type == "cpu" and not training.fast else training.device.type
        print(
            f"{settings.size} on {len(sources.labelled)} pictures with {way}, from view {training.views}, in {folder}"
        )

    going = [True]

    def stop(_signal: int, _frame: FrameType | None) -> None:
        going.clear()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    with tqdm(total=args.views, initial=training.views, unit="view", disable=not first, dynamic_ncols=True) as bar:
        for progress in training.run(args.minutes, args.views, lambda: bool(going)):
            bar.update(progress.views - bar.n)
            figures = progress.losses | {"validation": progress.validation or 0.0}
            bar.set_postfix_str(", ".join(f"{name} {value:.4f}" for name, value in figures.items() if value))
    if first:
        print(f"{training.views} views trained. The averaged weights are {folder / 'weights.safetensors'}.")
        if training.validated and training.best:
            views, loss = training.best
            print(
                f"Validation loss {training.validated[1]:.6f} at {training.validated[0]} views; "
                f"the lowest, {loss:.6f} at {views}, is that of {folder / 'best.safetensors'}."
            )
    return 0
