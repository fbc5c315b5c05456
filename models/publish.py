"""Makes a trained checkpoint the weights of its size: copies the file, updates the manifest and the model card."""

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from models import checkpoints, manifest, ranges
from models.checkpoints import Checkpoint
from models.errors import WeightsError
from models.manifest import FOLDER, Figure, Weights

BEGIN, END = "<!-- facts: written by models/publish.py -->", "<!-- end of facts -->"


def publish(checkpoint_path: str | Path, size: str, figures: Sequence[Figure], folder: Path = FOLDER) -> Weights:
    """Returns the new entry of the manifest. The first figure is the one that lists show.

    The ranges of the activations come along if they are of these weights.
    The checkpoint's metadata gives "data" and "date" (ISO), and for the card also "views" and "note". A card that exists
    keeps its text; only the part between the two marks is replaced. Raises WeightsError if the file is not of this size.
    """
    checkpoint = checkpoints.load(Path(checkpoint_path))
    if checkpoint.architecture.name != size:
        raise WeightsError(f"“{checkpoint_path}” is of size {checkpoint.architecture.name}, not {size}.")
    path = folder / f"{size}.safetensors"
    entries = manifest.read(folder)
    if Path(checkpoint_path).resolve() != path.resolve():
        shutil.copyfile(checkpoint_path, path)
    if checkpoint.ranges is not None and checkpoint.ranges.weights == checkpoint.sha256:
        ranges.write(checkpoint.ranges, ranges.beside(path))
    else:
        ranges.beside(path).unlink(missing_ok=True)  # of earlier weights
    entry = Weights(
        size=size,
        path=path,
        imported=False,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        skeleton=checkpoint.skeleton.name,
        date=checkpoint.metadata.get("date", ""),
        data=checkpoint.metadata.get("data", ""),
        figures=tuple(figures),
    )
    manifest.write(entries | {size: entry}, folder)
    _write_card(folder / f"{size}.md", checkpoint, entry)
    return entry


def _write_card(path: Path, checkpoint: Checkpoint, entry: Weights) -> None:
    facts = f"{BEGIN}\n\n{_facts(checkpoint, entry)}\n\n{END}"
    text = path.read_text(encoding="utf-8") if path.is_file() else f"# LitePose-{entry.size.upper()}\n\n{BEGIN}{END}\n"
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise WeightsError(
            f"The model card “{path}” has lost its marks “{BEGIN}” and “{END}”. Put them back around the facts."
        )
    path.write_text(f"{before}{facts}{after}", encoding="utf-8")


def _facts(checkpoint: Checkpoint, entry: Weights) -> str:
    metadata = checkpoint.metadata
    rows = {
        "File": f"`{entry.path.name}`, {entry.path.stat().st_size / 1e6:.1f} MB",
        "Skeleton": entry.skeleton,
        "Date": entry.date,
        "Trained on": entry.data,
        "Views": metadata.get("views", ""),
        "Note": metadata.get("note", ""),
    }
    lines = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items() if value)]
    lines += ["", "| Validation pictures | Input budget | AP | AP50 |", "|---|---|---|---|"]
    for figure in entry.figures:
        ap50 = "" if figure.ap50 is None else f"{figure.ap50:.3f}"
        lines.append(f"| {figure.part} | {figure.side}×{figure.side} | {figure.ap:.3f} | {ap50} |")
    return "\n".join(lines)
