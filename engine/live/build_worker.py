"""Builds one network into the cache, in a process of its own: `python -m engine.live.build_worker ORDER DEVICE PRECISION`.

ORDER is a BuildOrder as JSON, the others as PoseEstimator takes them. Each step and the error, if there is one, are a line of
JSON on standard output.
"""

import json
import os
import signal
import sys
from types import FrameType

from engine.estimator import PoseEstimator
from engine.live.loader import BuildOrder
from models.errors import LitePoseError

# Someone is watching the network that runs meanwhile.
NICER = 5


def main() -> int:
    order = BuildOrder(**json.loads(sys.argv[1]))
    device, precision = sys.argv[2:]
    # What the compiler prints must not be taken for an answer.
    answers, sys.stdout = sys.stdout, sys.stderr

    def say(**answer: str) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    def give_up(signal_number: int, frame: FrameType | None) -> None:
        # Unwinds the build, so that nothing half-made stays in the cache.
        sys.exit(1)

    signal.signal(signal.SIGTERM, give_up)
    if hasattr(os, "nice"):
        os.nice(NICER)
    try:
        estimator = PoseEstimator.load(
            order.size,
            input_mode=order.input_mode,
            threads=order.threads,
            device=device,
            precision=precision,
            progress=lambda step: say(step=step),
        )
        estimator.prepare(order.width, order.height)
    except LitePoseError as error:
        say(error=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
