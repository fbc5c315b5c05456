"""What every test shares: compiled networks are kept in one folder for the whole run, never in the user's cache."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Set LITEPOSE_TEST_CACHE to keep the compiled networks from one run to the next."""
    folder = Path(os.environ.get("LITEPOSE_TEST_CACHE") or tmp_path_factory.mktemp("cache"))
    before = os.environ.get("LITEPOSE_CACHE")
    os.environ["LITEPOSE_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["LITEPOSE_CACHE"]
    else:
        os.environ["LITEPOSE_CACHE"] = before
