"""What `main.py eval` stores: figures by set, and each picture's matches, from which runs are compared."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import UsageError
from engine.evaluation.precision import THRESHOLDS, PictureMatches, Precision
from models.json_text import from_json


def figures(one: Precision) -> dict[str, float | int | None]:
    """AP, AP50, AP75, AR in [0, 1], None where no labelled person counts; pictures and people."""
    values = {"AP": one.ap, "AP50": one.ap50, "AP75": one.ap75, "AR": one.ar}
    rounded = {name: None if np.isnan(value) else round(value, 4) for name, value in values.items()}
    return rounded | {"pictures": one.pictures, "people": one.people}


def pack_matches(matches: Sequence[PictureMatches]) -> list[dict[str, Any]]:
    """JSON content: per detection its score and, as bits by threshold, whether it is matched and ignored."""
    return [
        {
            "id": one.image_id,
            "set": one.part,
            "people": one.people,
            "scores": [round(float(score), 5) for score in one.scores],
            "matched": _bits(one.matched),
            "ignored": _bits(one.ignored),
        }
        for one in matches
    ]


def read_matches(path: Path) -> list[PictureMatches]:
    """Matches out of a file that `main.py eval --json` wrote."""
    try:
        rows = from_json(path.read_text(encoding="utf-8"))["matches"]
        return [
            PictureMatches(
                image_id=int(row["id"]),
                part=str(row["set"]),
                people=int(row["people"]),
                scores=np.array(row["scores"], np.float64),
                matched=_from_bits(row["matched"]),
                ignored=_from_bits(row["ignored"]),
            )
            for row in rows
        ]
    except OSError as error:
        raise UsageError(f"Cannot read the results “{path}”: {error}.") from error
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise UsageError(f"“{path}” was not written by main.py eval --json.") from error


def _bits(table: NDArray[np.bool_]) -> list[int]:
    return [int(value) for value in (table.T * 2 ** np.arange(len(THRESHOLDS))).sum(axis=1)]


def _from_bits(values: list[int]) -> NDArray[np.bool_]:
    return (np.array(values, np.int64)[None] >> np.arange(len(THRESHOLDS))[:, None]) & 1 > 0
