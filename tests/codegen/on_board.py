"""Runs inside the emulated machine: `python on_board.py EXPORTED_FOLDER WxH RUNS`. Knows the exported folder alone.

Runs one network, on one thread, RUNS times in all, and prints where its library lies in memory.
"""

import sys
from pathlib import Path


def main() -> int:
    folder = Path(sys.argv[1])
    sys.path.insert(0, str(folder))
    from engine.board.exported import ExportedEstimator
    from engine.preprocess import InputShape

    width, height = (int(side) for side in sys.argv[2].split("x"))
    network = ExportedEstimator(folder, threads=1).network(InputShape(width, height))  # runs once by itself
    for _ in range(int(sys.argv[3]) - 1):
        network.candidates(network.maps())
    lines = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
    print(next(line[0].partition("-")[0] for line in lines if line[-1].endswith(f"{sys.argv[2]}/network.so")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
