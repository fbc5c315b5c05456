"""JSON from files that anybody may have written: whatever is wrong with the text is a ValueError."""

import json
from typing import Any


def from_json(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
