"""The training loop: one for CPU cores and GPUs, resumable at every save."""

import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from models import architecture as architectures
from models import checkpoints
from models.litepose import LitePose
from models.normalisation import MEAN, STD
from models.reference import load_module
from models.skeleton import skeleton_named
from models.training import kernels
from models.training.annotations import ABSENT
from models.training.averaging import Average
from models.training.dataset import Batch, Sources, Views, batches, planned_batches
from models.training.device_rendering import DevicePictures
from models.training.journal import LOSSES, Journal
from models.training.losses import heatmap_loss, tag_losses
from models.training.schedule import learning_rate
from models.training.settings import Settings, TrainingError
from models.training.targets import heatmaps, joint_deviations, tag_places
from models.training.validation import Validation

log = logging.getLogger(__name__)

SAVE_SECONDS = 120.0
REPORT_STEPS = 50
DEVICE_SHARE = 0.5  # of a GPU's free memory that pictures may take
NAMES = (*LOSSES, "teacher")


@dataclass(frozen=True, slots=True)
class Progress:
    """Means since the last report."""

    views: int
    rate: float
    views_per_second: float
    losses: dict[str, float]
    validation: float | None
    """The whole loss on pictures not trained on, as last measured."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a network makes of a batch. x: its input. heats: heatmaps at strides 4 and 2. losses: by LOSSES."""

    x: Tensor
    heats: Sequence[Tensor]
    losses: list[Tensor]


class Training:
    """One run in a folder: `state.pt` to go on from, `weights.safetensors` (averaged), `log.csv`, `loss.png`.

    With a validation also `validation.csv`, and `best.safetensors`: the averaged weights when its loss was lowest.
    Under torchrun every process takes its share of the batches; the first one writes the files.
    """

    def __init__(
        self,
        settings: Settings,
        sources: Sources,
        folder: Path,
        workers: int = 1,
        device: str | None = None,
        threads: int | None = None,
        validation: Validation | None = None,
    ) -> None:
        if threads:
            torch.set_num_threads(threads)
        self.settings, self.folder = settings, folder
        self.architecture, self.skeleton = architectures.load(settings.size), skeleton_named(settings.skeleton)
        self.rank, self.ranks = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        if self.device.type == "cuda" and self.ranks > 1:
            self.device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
            torch.cuda.set_device(self.device)
        if self.ranks > 1 and not distributed.is_initialized():
            distributed.init_process_group("nccl" if self.device.type == "cuda" else "gloo")
        self.views = self.since_start = self.step = 0
        self.validated: tuple[int, float] | None = None  # at which view, and the validation's whole loss
        self.best: tuple[int, float] | None = None  # where that was lowest
        self._sources, self._workers, self._validation = sources, workers, validation
        self._views = Views(sources, settings, self.skeleton)

        torch.manual_seed(settings.seed)
        network = LitePose(self.architecture, self.skeleton.joint_count)
        with torch.no_grad():  # start near zero: the targets nearly are
            for name, weight in network.named_parameters():
                if name.startswith("final_") and name.endswith(".conv.3.weight"):
                    weight.mul_(0.05)
        layout = torch.channels_last if self.device.type == "cuda" else torch.contiguous_format
        self.network = network.to(self.device, memory_format=layout).train()  # type: ignore[call-overload]
        self.fast = self.device.type == "cpu" and kernels.accelerate(self.network)
        self.average = Average(self.network, settings.average)
        self._half = self.device.type == "cuda" or (self.fast and kernels.has_bfloat16())
        decayed = [weight for weight in self.network.parameters() if weight.ndim > 1]
        others = [weight for weight in self.network.parameters() if weight.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=settings.schedule.rate,
            fused=True,
        )
        self._teacher: nn.Module | None = None
        if settings.distillation:
            self._teacher = load_module(checkpoints.load(_place(settings.distillation.teacher))).to(self.device)
            self._teacher.requires_grad_(False)
        self._tolerances = torch.tensor(self.skeleton.sigmas, device=self.device)
        self._mean = torch.tensor(MEAN, device=self.device).reshape(3, 1, 1)
        self._deviation = torch.tensor(STD, device=self.device).reshape(3, 1, 1)

    @property
    def state_path(self) -> Path:
        return self.folder / "state.pt"

    def start_from(self, weights: str | Path) -> int:
        """Takes published weights where names and shapes agree. Returns how many tensors those are.

        Weights of the same network bring their count of views along. The optimizer starts afresh.
        """
        checkpoint = checkpoints.load(_place(weights))
        own = self.network.state_dict()
        fitting = {
            name: torch.from_numpy(value)
            for name, value in checkpoint.tensors.items()
            if name in own and own[name].shape == value.shape
        }
        if not fitting:
            raise TrainingError(f"Nothing of the weights “{weights}” fits size {self.architecture.name}.")
        for network in (self.network, self.average.network):
            network.load_state_dict(fitting, strict=False)
        if checkpoint.architecture == self.architecture:
            self.views = int(float(checkpoint.metadata.get("views", 0)))
            self.step = self.views // self.settings.batch
        return len(fitting)

    def resume(self) -> None:
        """Goes on exactly where the folder's state was saved. Raises TrainingError where there is none that fits."""
        try:
            state = torch.load(self.state_path, map_location=self.device, weights_only=True)
            self.network.load_state_dict(state["network"])
            self.average.network.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.views, self.since_start, self.step = state["views"], state["since_start"], state["step"]
            self.validated, self.best = state.get("validated"), state.get("best")
        except FileNotFoundError as error:
            raise TrainingError(f"There is no run to resume in “{self.folder}”.") from error
        except (OSError, RuntimeError, KeyError, ValueError) as error:
            raise TrainingError(f"The run in “{self.folder}” cannot be resumed with these settings: {error}") from error

    def run(
        self, minutes: float | None, until: int | None, going: Callable[[], bool] = lambda: True
    ) -> Iterator[Progress]:
        """Trains until the time is over, `until` views are reached, or `going` says no; saves then and in between.

        Validates before, in between, and where the run ends by itself. Yields every few steps, on every process.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        journal = Journal(self.folder, self.views) if self.rank == 0 else None
        self._validate(journal, going)
        network: nn.Module = DistributedDataParallel(self.network) if self.ranks > 1 else self.network
        begin = saved = reported = time.monotonic()
        views_reported, sums, count = self.views, torch.zeros(len(NAMES), device=self.device), 0
        for batch in self._batches():
            if not self._go_on(going() and _within(begin, minutes) and (until is None or self.views < until)):
                break
            rate = learning_rate(self.settings.schedule, self.views, self.since_start)
            sums += self._step(network, batch, rate)
            count += 1
            done = self.settings.batch * self.ranks
            self.views, self.since_start, self.step = self.views + done, self.since_start + done, self.step + 1
            self.average.update(self.network, self.step)
            now = time.monotonic()
            if count == REPORT_STEPS:
                means = dict(zip(NAMES, (sums / count).tolist()))
                speed = (self.views - views_reported) / (now - reported)
                if journal:
                    journal.training.add(
                        {"views": self.views, "minutes": (now - begin) / 60, "rate": rate, "views_per_second": speed}
                        | means
                    )
                yield Progress(self.views, rate, speed, means, self.validated[1] if self.validated else None)
                views_reported, reported, count = self.views, now, 0
                sums.zero_()
            if self._validation and self.views % self._validation.every < done:
                self._validate(journal, going)
                reported += time.monotonic() - now
                now, saved = time.monotonic(), -math.inf
            if now - saved > SAVE_SECONDS:
                self.save(journal)
                saved = now
        self._validate(journal, going)
        self.save(journal)

    @torch.no_grad()
    def _validate(self, journal: Journal | None, going: Callable[[], bool]) -> None:
        """Measures the averaged weights, unless it was done at this view or the run is to stop. Keeps them if they are best."""
        if self._validation is None or (self.validated and self.validated[0] == self.views):
            return
        sums, count = torch.zeros(len(LOSSES), device=self.device), 0
        for batch in self._validation.batches(self.rank, self.ranks):
            if not self._go_on(going()):
                return
            sums += torch.stack(self._outcome(self.average.network, batch).losses)
            count += self.ranks
        if self.ranks > 1:
            distributed.all_reduce(sums)
        loss = float(self._whole(list(sums / count)))
        self.validated = (self.views, loss)
        if journal:
            journal.validation.add({"views": self.views, "loss": loss} | dict(zip(LOSSES, (sums / count).tolist())))
        if self.best is None or loss < self.best[1]:
            self.best = self.validated
            if journal:
                self._save_weights(self.folder / "best.safetensors")

    def _go_on(self, wanted: bool) -> bool:
        """All processes stop at the same step."""
        if self.ranks == 1:
            return wanted
        votes = torch.tensor([int(wanted)], device=self.device)
        distributed.all_reduce(votes, distributed.ReduceOp.MIN)
        return bool(votes.item())

    def _batches(self) -> Iterator[Batch]:
        """Rendered by loader processes, or on the GPU where all pictures fit into it."""
        place = (self._views, self.settings.batch, self.views, self._workers, self.rank, self.ranks)
        if self.device.type != "cuda" or DevicePictures.size_in_bytes(self._sources) > self._free_memory():
            yield from batches(*place)
            return
        pictures = DevicePictures(self._sources, self.device)
        for plans, people, ignored in planned_batches(*place):
            yield Batch(pictures.render(plans), people, ignored)

    def _free_memory(self) -> float:
        return DEVICE_SHARE * torch.cuda.mem_get_info(self.device)[0]

    def _step(self, network: nn.Module, batch: Batch, rate: float) -> Tensor:
        """One update. Returns the losses by NAMES."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        outcome = self._outcome(network, batch)
        distance = self._distance_to_teacher(outcome.x, outcome.heats)
        weight = self.settings.distillation.weight if self.settings.distillation else 0.0
        loss = self._whole(outcome.losses) + weight * distance
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip)
        self.optimizer.step()
        return torch.stack([*outcome.losses, distance]).detach()

    def _outcome(self, network: nn.Module, batch: Batch) -> "_Outcome":
        joints = self.skeleton.joint_count
        picture, people, ignored = (one.to(self.device, non_blocking=True) for one in _trimmed(batch))
        x = self.normalised(picture)
        height, width = x.shape[2:]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._half):
            coarse, fine = (maps.float() for maps in network(x))
        heats = (coarse[:, :joints], fine)
        losses = [self._heatmap_loss(heat, people, ignored, stride) for heat, stride in zip(heats, (4, 2))]
        losses += tag_losses(coarse[:, joints:], tag_places(people, height // 4, width // 4, 4))
        return _Outcome(x, heats, losses)

    def _whole(self, losses: Sequence[Tensor]) -> Tensor:
        """losses: by LOSSES."""
        heat4, heat2, pull, push = losses
        return heat4 + heat2 + self.settings.loss.pull * pull + self.settings.loss.push * push

    def _heatmap_loss(self, heat: Tensor, people: Tensor, ignored: Tensor, stride: int) -> Tensor:
        settings = self.settings.loss
        spread = joint_deviations(people, self._tolerances, settings.tolerance, settings.sigma * stride)
        if self.fast:
            return kernels.heatmap_loss(heat, people, ignored, spread, stride, settings.joint_weight)
        height, width = heat.shape[2:]
        target, mask = heatmaps(people, ignored, spread, height, width, stride)
        return heatmap_loss(heat, target, mask, settings.joint_weight)

    def normalised(self, picture: Tensor) -> Tensor:
        """(N, 3, H, W) uint8 RGB as the network takes it."""
        return (picture.float() - self._mean) / self._deviation

    def _distance_to_teacher(self, x: Tensor, heats: Sequence[Tensor]) -> Tensor:
        """Mean squared difference of the heatmaps to the teacher's, where nothing is masked: the teacher knows unlabelled
        people too."""
        if self._teacher is None:
            return x.new_zeros(())
        with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            coarse, fine = self._teacher(x)
        goals = (coarse[:, : self.skeleton.joint_count].float(), fine.float())
        return torch.stack([((heat - goal) ** 2).mean() for heat, goal in zip(heats, goals)]).sum()

    def save(self, journal: Journal | None) -> None:
        """Writes the state, the averaged weights and the plot; each file appears complete or not."""
        if self.rank:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        state: dict[str, Any] = {
            "network": self.network.state_dict(),
            "average": self.average.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "views": self.views,
            "since_start": self.since_start,
            "step": self.step,
            "validated": self.validated,
            "best": self.best,
        }
        written = self.state_path.with_suffix(".part")
        torch.save(state, written)
        written.replace(self.state_path)
        self._save_weights(self.folder / "weights.safetensors")
        if journal:
            journal.plot(self.folder / "loss.png")

    def _save_weights(self, path: Path) -> None:
        tensors = {name: value.float().cpu().numpy() for name, value in self.average.network.state_dict().items()}
        metadata = {"views": str(self.views), "data": f"{len(self._sources.labelled)} labelled pictures"}
        checkpoint = checkpoints.checked(self.architecture, self.skeleton, tensors, metadata, "The averaged weights")
        checkpoints.save(checkpoint, path)


def _trimmed(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Without the rows of people and boxes that no picture of the batch uses."""
    people = int((batch.people[..., 2] != ABSENT).any(-1).sum(1).max())
    boxes = int((batch.ignored[..., 2] > batch.ignored[..., 0]).sum(1).max())
    return batch.picture, batch.people[:, : max(1, people)], batch.ignored[:, : max(1, boxes)]


def _within(begin: float, minutes: float | None) -> bool:
    return minutes is None or time.monotonic() - begin < 60 * minutes


def _place(weights: str | Path) -> str | Path:
    path = Path(weights)
    return path if path.suffix else str(weights)
