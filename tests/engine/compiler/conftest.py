"""Compiled networks in a process where what lies beside their memory may not be touched."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.compiler.library import Artifact
from engine.compiler.linking import find_linker

RUN = """
import ctypes
import sys
from pathlib import Path

import numpy as np

from engine.compiler import runtime
from engine.compiler.library import Artifact, read_metadata


def guarded(shape, dtype):
    size, place = int(np.prod(shape)) * np.dtype(dtype).itemsize, ctypes.c_void_p()
    assert ctypes.CDLL(None).posix_memalign(ctypes.byref(place), ctypes.c_size_t(64), ctypes.c_size_t(size)) == 0
    return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(place.value)).view(dtype).reshape(shape)


runtime.aligned = guarded  # the picture, which NumPy would place
library = Path(sys.argv[1])
network = runtime.CompiledNetwork(Artifact(library, read_metadata(library.parent)), 2)
network.picture[:] = np.random.default_rng(0).integers(0, 256, network.picture.shape, np.uint8)
network.candidates(network.maps())
"""


@pytest.fixture(scope="session")
def stays_inside(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Artifact], None]:
    """Fails where a kernel of a compiled network touches what is not its own."""
    if not sys.platform.startswith("linux"):
        pytest.skip("libraries are preloaded in another way here")
    guard = tmp_path_factory.mktemp("guard") / "guarded_memory.so"
    source = Path(__file__).with_name("guarded_memory.c")
    subprocess.run([*find_linker(), "-shared", "-fPIC", "-O2", "-o", guard, source, "-ldl"], check=True)

    def check(artifact: Artifact) -> None:
        for where in ("start", "end"):
            environment = {
                "LD_PRELOAD": str(guard),
                "GUARD": where,
                "PYTHONPATH": str(Path(__file__).parents[3]),
                "PATH": "/usr/bin:/bin",
            }
            command = [sys.executable, "-c", RUN, str(artifact.library)]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, (where, done.stderr)
            pieces = re.search(r"guarded: (\d+)", done.stderr)
            assert pieces is not None
            assert int(pieces[1]) > 20  # otherwise the runtime takes its memory elsewhere

    return check
