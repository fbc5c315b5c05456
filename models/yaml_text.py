"""YAML from files that anybody may have written: whatever is wrong with the text is a ValueError.

Apart from JSON, which is all that a board with an exported network reads: there is no PyYAML on it.
"""

from typing import Any

import yaml


def from_yaml(text: str) -> Any:
    """Plain values only: nothing in the text is executed."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
