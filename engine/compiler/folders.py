"""Where this machine keeps what was compiled and measured for it."""

import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """Compiled networks: LITEPOSE_CACHE, or the system's place for such files."""
    return Path(os.environ.get("LITEPOSE_CACHE") or platformdirs.user_cache_dir("litepose-live", appauthor=False))


def tuning_folder() -> Path:
    """Tuning records of this user."""
    return cache_folder() / "tuning"
