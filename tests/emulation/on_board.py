"""Runs inside the emulated machine: `python on_board.py EXPORTED_FOLDER RESULTS.npz PICTURE…`. Knows the exported folder alone.

Writes for each picture the network's input, both maps, and the people.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def main() -> int:
    folder, results = Path(sys.argv[1]), Path(sys.argv[2])
    sys.path.insert(0, str(folder))
    from engine.board.exported import ExportedEstimator
    from engine.compiler.runtime import CompiledNetwork
    from engine.sources.picture_file import read_picture

    seen: list[NDArray[np.generic]] = []
    run = CompiledNetwork.maps

    def watched(network: CompiledNetwork) -> tuple[object, object]:
        maps = run(network)
        seen[:] = [network.picture.copy(), *(np.from_dlpack(tensor).copy() for tensor in maps)]
        return maps

    CompiledNetwork.maps = watched
    estimator = ExportedEstimator(folder)
    found: dict[str, NDArray[np.generic]] = {}
    for number, name in enumerate(sys.argv[3:]):
        poses, times = estimator(read_picture(Path(name)))
        parts = (*seen, poses.keypoints, poses.scores)
        found |= {
            f"{number}.{part}": value for part, value in zip(("input", "coarse", "fine", "keypoints", "scores"), parts)
        }
        print(f"{Path(name).name}: {len(poses)} people, network {times.ms['network'] / 1e3:.1f} s emulated", flush=True)
    np.savez(results, **found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
