"""One result as a picture file."""

from pathlib import Path

import cv2

from engine.drawing import DrawingSettings
from engine.errors import SinkError
from engine.live.composition import Picture, picture_of
from engine.live.results import LiveResult
from engine.sinks import timestamped_path
from engine.sinks.output_file import expect_free, write_failure

SUFFIX = ".png"


def save_snapshot(result: LiveResult, path: Path, drawing: DrawingSettings, annotated: bool) -> Path:
    """Never over an existing file; a folder gets a name with date and time. Raises SinkError."""
    if path.is_dir():
        path = timestamped_path(path, result.frame.source, SUFFIX)
    elif not path.suffix:
        path = path.with_suffix(SUFFIX)
    expect_free(path, overwrite=False)
    image = picture_of(result, drawing, Picture.ANNOTATED if annotated else Picture.RAW)
    try:
        made, data = cv2.imencode(path.suffix, result.frame.image if image is None else image)
    except cv2.error:
        made = False
    if not made:
        raise SinkError(f"Pictures cannot be saved as “{path.suffix}”. Name the file .png or .jpg.")
    try:
        with path.open("xb") as file:
            file.write(data.tobytes())
    except OSError as error:
        raise write_failure(path, error) from error
    return path
