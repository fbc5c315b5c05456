"""Picture files by name, from a folder or from tar files. No torch."""

import tarfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.annotations import DataError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


class Pictures:
    """Reads pictures out of one or more folders and uncompressed tar files, in any mixture.

    A folder may hold tar files instead of pictures; then it stands for them. Nothing is unpacked: a tar file's index is read
    once, and each picture from its place. Safe to hand to worker processes.
    """

    def __init__(self, *places: Path) -> None:
        self._folders: list[Path] = []
        self._packed: dict[str, tuple[Path, int, int]] = {}  # file, offset, length
        for place in places:
            tars = sorted(place.glob("*.tar")) if place.is_dir() else [place]
            if place.is_dir():
                self._folders.append(place)
            for path in tars:
                self._index(path)

    def _index(self, path: Path) -> None:
        try:
            with tarfile.open(path, "r:") as archive:
                for member in archive:
                    if member.isfile():
                        self._packed[member.name.removeprefix("./")] = (path, member.offset_data, member.size)
        except (OSError, ValueError, tarfile.TarError) as error:
            raise DataError(f"Cannot read pictures from “{path}”: {error}. Give a folder or a .tar file.") from error

    def names(self) -> list[str]:
        """Of all picture files, sorted."""
        loose = {
            path.relative_to(folder).as_posix()
            for folder in self._folders
            for path in folder.rglob("*")
            if path.suffix.lower() in SUFFIXES
        }
        return sorted(loose | {name for name in self._packed if Path(name).suffix.lower() in SUFFIXES})

    def __contains__(self, name: str) -> bool:
        return name in self._packed or any((folder / name).is_file() for folder in self._folders)

    def read(self, name: str) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 BGR. Raises DataError where there is no such picture, or it cannot be decoded."""
        image = cv2.imdecode(np.frombuffer(self._bytes(name), np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            raise DataError(f"The picture “{name}” is damaged or of an unknown format.")
        return image.astype(np.uint8, copy=False)

    def _bytes(self, name: str) -> bytes:
        try:
            if name in self._packed:
                path, offset, length = self._packed[name]
                with path.open("rb") as file:
                    file.seek(offset)
                    return file.read(length)
            for folder in self._folders:
                if (folder / name).is_file():
                    return (folder / name).read_bytes()
        except OSError as error:
            raise DataError(f"Cannot read the picture “{name}”: {error}.") from error
        raise DataError(f"There is no picture “{name}” in the folders and tar files that were given.")
