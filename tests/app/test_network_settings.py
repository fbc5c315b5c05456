"""What the engine lets the user choose is found in its options, now and when they learn more."""

import argparse
from dataclasses import dataclass
from enum import StrEnum
from types import SimpleNamespace
from typing import Literal

import pytest

from app import device_probe, options
from app.network_settings import asked, offered


class Device(StrEnum):
    AUTO = "auto"
    CPU = "cpu"


@dataclass
class Later:
    """Options as an engine might have them one day."""

    device: Device | None = None
    precision: Literal["fp32", "fp16"] = "fp32"
    threads: int | None = None


def test_enumerations_and_literals_are_offered() -> None:
    assert offered("device", Later) == ("auto", "cpu")
    assert offered("precision", Later) == ("fp32", "fp16")


@pytest.mark.parametrize("name", ["threads", "flavour"])
def test_what_is_no_choice_is_not_offered(name: str) -> None:
    assert offered(name, Later) == ()


def test_only_what_the_engine_knows_is_asked_of_it() -> None:
    assert asked(SimpleNamespace(device="cpu", precision=""), Later) == {"device": "cpu"}
    assert asked(SimpleNamespace(device="cpu:1", precision="fp32"), Later) == {"device": "cpu:1", "precision": "fp32"}
    assert asked(SimpleNamespace(device="quantum", precision="fp16"), Later) == {"precision": "fp16"}


def test_this_engine_offers_the_processor_and_full_precision() -> None:
    assert "cpu" in offered("device")
    assert "fp32" in offered("precision")


def test_what_this_machine_lacks_is_named_by_its_value() -> None:
    reasons = device_probe.missing()
    assert set(reasons) <= {*offered("device"), *offered("precision")} - {"cpu", "fp32"}
    assert all(reasons.values())


def test_the_command_line_names_fields_of_the_preferences() -> None:
    parser = argparse.ArgumentParser()
    options.add_arguments(parser)
    words = [
        "--people",
        "3",
        "--threads",
        "1",
        "--input",
        "square",
        "--resolution",
        "1280x720",
        "--rate",
        "25",
        "--size",
        "xs",
        "--theme",
        "light",
    ]
    given = vars(parser.parse_args(words))
    assert {name: given[name] for name in options.OVERRIDING if given.get(name) is not None} == {
        "max_people": 3,
        "threads": 1,
        "input_mode": "square",
        "width": 1280,
        "height": 720,
        "rate": 25,
        "size": "xs",
        "theme": "light",
    }


@pytest.mark.parametrize(
    ("words", "hint"),
    [("--resolution big", "1280x720"), ("--device quantum", "none of cpu"), ("--precision fp5", "none of fp32")],
)
def test_what_makes_no_sense_is_refused(words: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    options.add_arguments(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(words.split())
    assert hint in capsys.readouterr().err
