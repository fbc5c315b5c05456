import pytest

from models import architecture, checkpoints, manifest, ranges
from models.errors import WeightsError
from models.publish import publish
from models.skeleton import SKELETONS

FIGURES = (manifest.Figure("all", 128, 0.5, 0.75), manifest.Figure("coco", 256, 0.25))


def test_every_listed_file_is_there_whole_and_of_its_size():
    listed = manifest.read()
    assert "xs" in listed
    for size, weights in listed.items():
        assert weights.matches_manifest()
        assert weights.figures
        assert weights.skeleton in SKELETONS
        checkpoint = checkpoints.load(weights.path)
        assert checkpoint.architecture == architecture.load(size)
        assert checkpoint.activation_ranges()  # main.py models calibrate, before they are published


def test_every_file_is_listed_and_has_a_card():
    files = {path.name for path in manifest.FOLDER.glob("*.safetensors")}
    assert files == {weights.path.name for weights in manifest.read().values()}
    for file in files:
        card = (manifest.FOLDER / file).with_suffix(".md").read_text(encoding="utf-8")
        assert "Licence" in card
        assert f"{manifest.read()[file.split('.')[0]].figures[0].ap:.3f}" in card


def test_writing_and_reading_gives_the_same(tmp_path):
    entries = {
        "xs": manifest.Weights("xs", tmp_path / "xs.safetensors", False, "ab", "coco-17", "2030-01-02", "ü", FIGURES)
    }
    manifest.write(entries, tmp_path)
    assert manifest.read(tmp_path) == entries


def test_no_manifest_means_no_weights(tmp_path):
    assert manifest.read(tmp_path) == {}
    assert manifest.find("xs", tmp_path) is None


@pytest.mark.parametrize("text", ["[", "[1]", "xs: 3", "xs: {file: a}", "xs: {file: a, figures: 3}"])
def test_a_broken_manifest_is_told(tmp_path, text):
    (tmp_path / "manifest.yaml").write_text(text)
    with pytest.raises(WeightsError, match=r"manifest\.yaml.* cannot be read"):
        manifest.read(tmp_path)


def test_imported_weights_are_found_first(no_imported_weights):
    no_imported_weights.mkdir()
    path = no_imported_weights / "xs.safetensors"
    path.write_bytes(b"")
    found = manifest.find("xs")
    assert found is not None
    assert (found.path, found.imported) == (path, True)


def test_publishing_lists_the_file_and_writes_a_card(tmp_path, tiny_checkpoint, saved):
    folder = tmp_path / "weights"
    folder.mkdir()
    entry = publish(saved(tiny_checkpoint), "tiny", FIGURES, folder)
    assert manifest.read(folder) == {"tiny": entry}
    assert entry.matches_manifest()
    assert checkpoints.load(entry.path).sha256 == tiny_checkpoint.sha256
    card = (folder / "tiny.md").read_text(encoding="utf-8")
    assert "| all | 128×128 | 0.500 | 0.750 |" in card
    assert "random numbers, seed 1" in card


def test_publishing_again_replaces_the_facts_and_keeps_the_rest(tmp_path, tiny_checkpoint, saved):
    folder = tmp_path / "weights"
    folder.mkdir()
    entry = publish(saved(tiny_checkpoint), "tiny", FIGURES, folder)
    card = folder / "tiny.md"
    card.write_text(card.read_text(encoding="utf-8") + "\nWritten by hand.\n", encoding="utf-8")
    publish(entry.path, "tiny", (manifest.Figure("all", 256, 0.625),), folder)
    text = card.read_text(encoding="utf-8")
    assert "| all | 256×256 | 0.625 |" in text
    assert "0.500" not in text
    assert text.endswith("Written by hand.\n")


def test_publishing_keeps_other_sizes(tmp_path, tiny_checkpoint, saved):
    other = manifest.Weights("xs", tmp_path / "xs.safetensors", False, "ab", "coco-17", "2030-01-02", "x", FIGURES)
    manifest.write({"xs": other}, tmp_path)
    publish(saved(tiny_checkpoint), "tiny", FIGURES, tmp_path)
    assert manifest.read(tmp_path)["xs"] == other
    assert list(manifest.read(tmp_path)) == ["xs", "tiny"]


def test_publishing_under_another_size_is_refused(tmp_path, tiny_checkpoint, saved):
    with pytest.raises(WeightsError, match="is of size tiny, not xs"):
        publish(saved(tiny_checkpoint), "xs", FIGURES, tmp_path)
    assert not (tmp_path / "manifest.yaml").exists()


def test_a_card_without_marks_is_not_overwritten(tmp_path, tiny_checkpoint, saved):
    (tmp_path / "tiny.md").write_text("All by hand.")
    with pytest.raises(WeightsError, match="lost its marks"):
        publish(saved(tiny_checkpoint), "tiny", FIGURES, tmp_path)
    assert (tmp_path / "tiny.md").read_text() == "All by hand."


def test_ranges_are_published_with_their_weights_only(tmp_path, tiny_checkpoint, saved):
    folder = tmp_path / "weights"
    folder.mkdir()
    path = saved(tiny_checkpoint)
    known = ranges.Ranges(checkpoints.load(path).sha256, 3, {"stage.0.0.inv.0": (-1.5, 2.0)})
    ranges.write(known, ranges.beside(path))
    published = publish(path, "tiny", FIGURES, folder).path
    assert checkpoints.load(published).ranges == known
    ranges.beside(path).unlink()
    publish(path, "tiny", FIGURES, folder)
    assert checkpoints.load(published).ranges is None
