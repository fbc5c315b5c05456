"""A folder to copy to a board: compiled networks, what they are, and the modules of ours that run them.

The board needs TVM's runtime, NumPy and OpenCV. What runs there is the program's own code: the modules that
`engine.board.runner` imports are copied as they are.
"""

import importlib.metadata
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from engine.board.exported import DESCRIPTION, Description, network_folder
from engine.compiler import artifacts
from engine.compiler.targets import Target
from engine.compiler.versions import tvm_version
from engine.errors import SinkError
from engine.module_closure import Closure, closure
from engine.preprocess import InputShape
from engine.version import VERSION
from models.checkpoints import Checkpoint

ROOT = Path(__file__).resolve().parents[2]
RUNNER = "engine.board.runner"
# What the modules import from elsewhere -> the packages that bring it.
PACKAGES = {
    "tvm_ffi": ("apache-tvm", "apache-tvm-ffi"),
    "numpy": ("numpy",),
    "cv2": ("opencv-python",),
}
RUN = '''"""Finds people with the networks of this folder. `python run.py -h` lists what it can do."""

import sys
from pathlib import Path

from engine.board.runner import main

sys.exit(main(Path(__file__).resolve().parent))
'''
README = """# LitePose {size} for {target}

{description}

Networks for inputs of {shapes} pixels; a picture gets the one whose aspect ratio is nearest. Compiled for {threads}
threads with TVM {tvm}. On the board:

```sh
python3 -m venv venv                        # Python 3.11 or later
venv/bin/pip install -r requirements.txt
venv/bin/python run.py picture.jpg --save-images annotated
venv/bin/python run.py video.mp4 --save-keypoints people.jsonl
venv/bin/python run.py 0 --show             # a camera
venv/bin/python run.py picture.jpg --repeat 50   # time of every stage
```

Without a screen, opencv-python-headless does as well as opencv-python and needs no system libraries. From Python:

```python
from pathlib import Path

from engine.board.exported import ExportedEstimator

poses, times = ExportedEstimator(Path("."))(image)  # image: (H, W, 3) uint8, BGR
```

Weights: {weights}

The program is LitePose Live {version}, under the GNU General Public License 3 or later (LICENSE).
"""


def export(
    checkpoint: Checkpoint,
    shapes: Sequence[InputShape],
    target: Target,
    folder: Path,
    *,
    overwrite: bool = False,
    progress: artifacts.Progress | None = None,
) -> Description:
    """Compiles for every shape, or takes the networks from the cache, and writes the folder: all of it or nothing.

    Raises SinkError where the folder exists and is no earlier export that may be overwritten, or cannot be written.
    """
    description = Description(
        checkpoint.architecture.name,
        target.name,
        target.architecture,
        target.threads,
        tvm_version(),
        checkpoint.skeleton,
        tuple(shapes),
        dict(checkpoint.metadata),
    )
    _expect_free(folder, overwrite)
    built = {
        shape: artifacts.obtain(checkpoint, shape.height, shape.width, target, progress).library.parent
        for shape in shapes
    }
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=folder.parent) as place:
            written = Path(place) / folder.name
            written.mkdir()
            for shape, source in built.items():
                shutil.copytree(source, network_folder(written, shape))
            _write_program(written)
            (written / DESCRIPTION).write_text(description.text(), encoding="utf-8")
            (written / "README.md").write_text(_readme(description, target), encoding="utf-8")
            if folder.exists():
                shutil.rmtree(folder)
            written.rename(folder)
    except OSError as error:
        raise SinkError(
            f"Cannot write the folder “{folder}”: {error.strerror or error}. Choose another place."
        ) from error
    return description


def _expect_free(folder: Path, overwrite: bool) -> None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not (folder / DESCRIPTION).is_file():
        raise SinkError(f"“{folder}” exists already and is no exported folder. Choose another name.")
    if not overwrite:
        raise SinkError(f"“{folder}” exists already. Choose another name, or add --overwrite.")


def _write_program(folder: Path) -> None:
    """run.py, the modules that it needs, and what they need."""
    needed = closure(ROOT, RUNNER)
    for path in needed.own.values():
        _copy(path, folder / path.relative_to(ROOT))
    for package in {package for name in needed.own for package in _packages(name)}:
        _copy_package(package, folder)
    (folder / "run.py").write_text(RUN, encoding="utf-8")
    (folder / "requirements.txt").write_text(_requirements(needed), encoding="utf-8")
    if (ROOT / "LICENSE").is_file():
        _copy(ROOT / "LICENSE", folder / "LICENSE")


def _packages(module: str) -> list[str]:
    """The packages that `module` lies in."""
    parts = module.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def _copy_package(package: str, folder: Path) -> None:
    """The package's own file, or an empty one where it would import what nobody needs."""
    source = ROOT.joinpath(*package.split("."), "__init__.py")
    target = folder / source.relative_to(ROOT)
    if target.exists():
        return
    if len(closure(ROOT, package).own) == 1:
        _copy(source, target)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _requirements(needed: Closure) -> str:
    lines = [
        f"{package}=={importlib.metadata.version(package)}"
        for name, packages in PACKAGES.items()
        if name in needed.foreign
        for package in packages
    ]
    return "\n".join(lines) + "\n"


def _readme(description: Description, target: Target) -> str:
    return README.format(
        size=description.size.upper(),
        target=description.target,
        description=f"{target.description}." if target.description else "",
        shapes=", ".join(str(shape).replace("x", "×") for shape in description.shapes),
        threads=description.threads,
        tvm=description.tvm,
        weights=description.weights.get("data", "unknown origin") + ".",
        version=VERSION,
    )
