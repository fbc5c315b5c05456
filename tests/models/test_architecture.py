import pytest

from models import architecture
from models.errors import ArchitectureError


@pytest.mark.parametrize("size", architecture.SIZES)
def test_yaml_round_trip_keeps_the_network(size):
    network = architecture.load(size)
    assert architecture.from_yaml(architecture.to_yaml(network), "copy") == network


def test_round_trip_keeps_what_a_searched_network_changes(without_fusion):
    assert architecture.from_yaml(architecture.to_yaml(without_fusion), "copy") == without_fusion


def test_the_papers_sizes_come_first():
    assert architecture.available()[:4] == ["xs", "s", "m", "l"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not valid YAML"),
        ("[]", "expected keys and values"),
        ("name: x", "missing deconv, resolution, stages, stem"),
        ("{colour: 1}", "unknown key colour"),
    ],
)
def test_a_wrong_description_says_what_is_wrong(text, said):
    with pytest.raises(ArchitectureError, match=said):
        architecture.from_yaml(text, "mine.yaml")


@pytest.mark.parametrize("name", ["", "..", "../xs", "huge"])
def test_an_unknown_size_lists_the_known_ones(name):
    with pytest.raises(ArchitectureError, match="Choose one of xs, s, m, l"):
        architecture.load(name)
