"""JSON and YAML from files that anybody may have written: whatever is wrong with the text is a ValueError."""

import json
from typing import Any


def from_json(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def from_yaml(text: str) -> Any:
    """Plain values only: nothing in the text is executed."""
    import yaml  # a board that runs exported networks reads JSON alone and has no YAML

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
