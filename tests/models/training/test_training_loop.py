import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models import checkpoints
from models.architecture import load
from models.reference import ReferenceNetwork
from models.skeleton import COCO_17
from models.training import kernels
from models.training import settings as training_settings
from models.training.dataset import Sources
from models.training.journal import LOSSES, Journal
from models.training.loop import Training
from models.training.settings import Augmentation, Distillation, Schedule, Settings, TrainingError
from models.training.validation import Validation

STILL = Augmentation(
    person_scale=(0.9, 0.9), rotated=0, stretch=0, shift=0, side_by_side=0, brightness=0, contrast=0, gamma=0, tint=0,
    grey=0, blur=0, noise=0, erase=0,
)  # fmt: skip
SETTINGS = Settings(
    "xs", shapes=((64, 64),), batch=4, schedule=Schedule(rate=4e-3, warm_up=8), augmentation=STILL, average=0.9
)


@pytest.fixture
def data(packed_data: Path) -> Sources:
    return Sources.open([packed_data / "labels.json.gz"], [packed_data], COCO_17)


@pytest.fixture
def tiny(tiny_network: Path) -> Settings:
    return replace(SETTINGS, size=str(tiny_network))


def trained(
    settings: Settings, data: Sources, folder: Path, until: int, resume: bool = False, every: int | None = None
) -> Training:
    """every: views between two validations, if there are any."""
    validation = Validation(data, settings, COCO_17, every) if every else None
    training = Training(settings, data, folder, workers=0, device="cpu", validation=validation)
    if resume:
        training.resume()
    for _ in training.run(minutes=None, until=until):
        pass
    return training


def test_thirty_steps_learn_eight_pictures_by_heart(data: Sources, tmp_path: Path) -> None:
    settings = replace(SETTINGS, batch=8)
    losses = []
    training = Training(settings, data, tmp_path, workers=0, device="cpu")
    step = training._step
    training._step = lambda *given: losses.append(step(*given)) or losses[-1]  # type: ignore[method-assign]
    for _ in training.run(minutes=None, until=30 * 8):
        pass
    heat = [float(loss[0] + loss[1]) for loss in losses]
    assert len(heat) == 30
    assert sum(heat[-5:]) < 0.5 * sum(heat[:5])


def test_a_resumed_run_equals_an_unbroken_one_bit_for_bit(data: Sources, tiny: Settings, tmp_path: Path) -> None:
    settings = replace(tiny, augmentation=Augmentation())
    whole = trained(settings, data, tmp_path / "whole", until=48)
    trained(settings, data, tmp_path / "broken", until=20)
    resumed = trained(settings, data, tmp_path / "broken", until=48, resume=True)
    assert resumed.views == whole.views == 48
    for name, value in whole.network.state_dict().items():
        assert torch.equal(resumed.network.state_dict()[name], value), name
    for name, value in whole.average.network.state_dict().items():
        assert torch.equal(resumed.average.network.state_dict()[name], value), name


def test_a_run_leaves_weights_that_the_program_loads(data: Sources, tmp_path: Path) -> None:
    training = trained(SETTINGS, data, tmp_path, until=8)
    checkpoint = checkpoints.load(tmp_path / "weights.safetensors")
    assert checkpoint.metadata["views"] == "8"
    warm = Training(SETTINGS, data, tmp_path / "next", workers=0, device="cpu")
    assert warm.start_from(tmp_path / "weights.safetensors") == len(checkpoint.tensors)
    assert warm.views == 8
    mean = training.average.network.state_dict()["first.0.0.weight"]
    assert torch.allclose(warm.network.state_dict()["first.0.0.weight"], mean, rtol=1e-3, atol=1e-4)


def test_training_gives_the_network_what_inference_gives_it(data: Sources, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    checkpoints.save(checkpoints.synthetic(load("xs"), COCO_17, seed=1), path)
    training = Training(SETTINGS, data, tmp_path / "run", workers=0, device="cpu")
    training.start_from(path)
    picture = data.pictures.read(data.labelled[0].name)
    rgb = torch.from_numpy(picture[:, :, ::-1].transpose(2, 0, 1).copy())[None]
    found = training.average.network(training.normalised(rgb))
    for ours, truth in zip(found, ReferenceNetwork(checkpoints.load(path)).maps(picture)):
        assert np.allclose(ours[0].numpy(), truth, rtol=1e-3, atol=1e-4 * np.abs(truth).max())


def test_a_larger_size_takes_what_fits_of_a_smaller_one(data: Sources, tmp_path: Path) -> None:
    source = checkpoints.synthetic(load("xs"), COCO_17, seed=0)
    checkpoints.save(source, tmp_path / "xs.safetensors")
    training = Training(replace(SETTINGS, size="s"), data, tmp_path / "s", workers=0, device="cpu")
    assert 0 < training.start_from(tmp_path / "xs.safetensors") < len(source.tensors)
    assert training.views == 0


def test_losses_are_written_down_and_plotted(
    data: Sources, tiny: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.training.loop.REPORT_STEPS", 2)
    trained(tiny, data, tmp_path, until=16)
    trained(tiny, data, tmp_path, until=24, resume=True)
    table = rows(tmp_path / "log.csv")
    assert [int(row["views"]) for row in table] == [8, 16, 24]
    assert all(float(row["heat2"]) > 0 for row in table)
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def few_views(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.training.validation.VIEWS", 8)


@pytest.mark.usefixtures("few_views")
def test_a_run_is_measured_on_other_pictures_and_is_not_changed_by_it(
    data: Sources, tiny: Settings, tmp_path: Path
) -> None:
    alone = trained(tiny, data, tmp_path / "alone", until=20)
    measured = trained(tiny, data, tmp_path / "measured", until=20, every=8)
    for name, value in measured.average.network.state_dict().items():
        assert torch.equal(alone.average.network.state_dict()[name], value), name
    table = rows(tmp_path / "measured" / "validation.csv")
    assert [int(row["views"]) for row in table] == [0, 8, 16, 20]
    assert not (tmp_path / "alone" / "validation.csv").exists()
    losses = [float(row["loss"]) for row in table]
    assert losses[-1] < losses[0]
    for row in table:
        whole = sum(float(row[name]) * factor for name, factor in zip(LOSSES, (1, 1, 1e-2, 1e-2)))
        assert float(row["loss"]) == pytest.approx(whole, rel=1e-4)


@pytest.mark.usefixtures("few_views")
def test_measuring_goes_on_where_it_was(data: Sources, tiny: Settings, tmp_path: Path) -> None:
    trained(tiny, data, tmp_path / "whole", until=24, every=8)
    trained(tiny, data, tmp_path / "broken", until=12, every=8)
    trained(tiny, data, tmp_path / "broken", until=24, every=8, resume=True)
    whole, broken = (rows(tmp_path / name / "validation.csv") for name in ("whole", "broken"))
    assert [row for row in broken if row["views"] != "12"] == whole
    assert [row["views"] for row in broken] == ["0", "8", "12", "16", "24"]


@pytest.mark.usefixtures("few_views")
def test_the_best_weights_outlive_a_run_that_got_worse(data: Sources, tiny: Settings, tmp_path: Path) -> None:
    best = trained(tiny, data, tmp_path, until=24, every=8)
    wild = trained(replace(tiny, schedule=Schedule(rate=1e3)), data, tmp_path, until=48, every=8, resume=True)
    assert wild.validated is not None
    assert wild.best == best.best == best.validated != wild.validated
    assert checkpoints.load(tmp_path / "best.safetensors").metadata["views"] == "24"
    assert checkpoints.load(tmp_path / "weights.safetensors").metadata["views"] == "48"


@pytest.mark.usefixtures("few_views")
def test_a_request_to_stop_does_not_wait_for_a_measurement(data: Sources, tiny: Settings, tmp_path: Path) -> None:
    training = Training(tiny, data, tmp_path, workers=0, device="cpu", validation=Validation(data, tiny, COCO_17))
    assert list(training.run(minutes=None, until=8, going=lambda: False)) == []
    assert training.validated is None
    assert training.state_path.is_file()


def test_a_line_that_was_cut_off_does_not_end_a_run(data: Sources, tiny: Settings, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("views,minutes\n4,0.1\n8", encoding="utf-8")
    Journal(tmp_path, views=8).plot(tmp_path / "loss.png")
    trained(tiny, data, tmp_path, until=8)


def test_a_teacher_pulls_the_student_to_its_maps(data: Sources, tiny: Settings, tmp_path: Path) -> None:
    checkpoints.save(checkpoints.synthetic(load("xs"), COCO_17, seed=3), tmp_path / "teacher.safetensors")
    teacher = Distillation(str(tmp_path / "teacher.safetensors"), weight=10.0)
    training = Training(replace(tiny, distillation=teacher), data, tmp_path / "run", workers=0, device="cpu")
    losses = []
    step = training._step
    training._step = lambda *given: losses.append(step(*given)) or losses[-1]  # type: ignore[method-assign]
    for _ in training.run(minutes=None, until=160):
        pass
    distance = [float(loss[4]) for loss in losses]
    assert 0 < sum(distance[-5:]) < 0.9 * sum(distance[:5])


def test_time_and_a_request_both_stop_a_run(data: Sources, tiny: Settings, tmp_path: Path) -> None:
    training = Training(tiny, data, tmp_path / "a", workers=0, device="cpu")
    assert list(training.run(minutes=0, until=None)) == []
    assert list(training.run(minutes=None, until=None, going=lambda: False)) == []
    assert training.state_path.is_file()


def test_resuming_nothing_or_another_network_says_so(data: Sources, tiny: Settings, tmp_path: Path) -> None:
    training = Training(tiny, data, tmp_path / "run", workers=0, device="cpu")
    with pytest.raises(TrainingError, match="no run to resume"):
        training.resume()
    training.save(None)
    with pytest.raises(TrainingError, match="cannot be resumed with these settings"):
        Training(SETTINGS, data, tmp_path / "run", workers=0, device="cpu").resume()


def test_plain_pytorch_trains_as_well(
    data: Sources, tiny: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "extension", lambda: None)
    training = trained(tiny, data, tmp_path, until=8)
    assert not training.fast
    assert training.views == 8


@pytest.mark.parametrize("size", ["xs", "s", "m", "l"])
def test_every_size_has_settings(size: str) -> None:
    settings = training_settings.load(Path(training_settings.__file__).parent / "configs" / f"{size}.yaml")
    assert settings.size == size
    assert len(settings.shapes) == 5


def test_s_has_settings_for_cpu_cores() -> None:
    settings = training_settings.load(Path(training_settings.__file__).parent / "configs" / "s-cpu.yaml")
    assert (settings.size, settings.batch) == ("s", 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("size: xs\nspeed: 3", "unknown key speed"),
        ("size: xs\nshapes: [[100, 100]]", "multiples of 32"),
        ("size: xs\nschedule: {kind: linear}", "constant or cosine"),
        ("size: xs\nbatch: many", "batch: expected a value of type int"),
        ("size: xs\naugmentation: {person_scale: [1]}", "list of 2 values"),
        ("batch: 8", "size"),
        ("[", "Cannot read"),
    ],
)
def test_wrong_settings_name_the_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TrainingError, match=message):
        training_settings.load(path)
