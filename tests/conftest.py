"""What every test shares: compiled networks are kept in one folder for the whole run, never in the user's cache."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Set LITEPOSE_TEST_CACHE to keep the compiled networks from one run to the next.

    Processes that share a run (`pytest -n 2`) have folders of their own beside each other, and this one in common.
    """
    own = tmp_path_factory.getbasetemp()
    common = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    folder = Path(os.environ.get("LITEPOSE_TEST_CACHE") or common / "cache")
    folder.mkdir(parents=True, exist_ok=True)
    before = os.environ.get("LITEPOSE_CACHE")
    os.environ["LITEPOSE_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["LITEPOSE_CACHE"]
    else:
        os.environ["LITEPOSE_CACHE"] = before
