"""From labelled pictures to batches of tensors, in any number of loader processes, from any view on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from models.skeleton import Skeleton
from models.training import annotations
from models.training.annotations import LABELLED, UNSURE, DataError, LabelledPicture
from models.training.pictures import Pictures
from models.training.rendering import render
from models.training.settings import Settings
from models.training.views import Planner, View


@dataclass(frozen=True, slots=True)
class Sources:
    """Labelled pictures whose files are there, and the files."""

    labelled: list[LabelledPicture]
    pictures: Pictures

    @classmethod
    def open(cls, annotation_files: Sequence[Path], places: Sequence[Path], skeleton: Skeleton) -> "Sources":
        """Raises DataError where not one picture is found."""
        pictures = Pictures(*places)
        labelled = [
            one for path in annotation_files for one in annotations.read(path, skeleton) if one.name in pictures
        ]
        if not any(len(one.people) for one in labelled):
            names = ", ".join(f"“{path}”" for path in annotation_files)
            raise DataError(
                f"None of the labelled pictures with people in {names} is in the folders and tar files that were given. "
                "Give the folder that the annotations’ file names start from."
            )
        return cls(labelled, pictures)


@dataclass(frozen=True, slots=True)
class Batch:
    """picture: (N, 3, H, W) uint8 RGB. people: (N, P, J, 3), ignored: (N, G, 4) float32, as `targets.heatmaps` takes them."""

    picture: Tensor
    people: Tensor
    ignored: Tensor


class Views(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """View n of a run, for every n: the same in whatever process and order it is drawn."""

    def __init__(self, sources: Sources, settings: Settings, skeleton: Skeleton) -> None:
        weights = [
            settings.part_weights.get(one.part, 1.0) * (1.0 if len(one.people) else settings.empty)
            for one in sources.labelled
        ]
        self.planner = Planner(sources.labelled, np.array(weights), skeleton, settings.augmentation, settings.seed)
        self._sources = sources
        self._settings = settings
        self._joints = skeleton.joint_count

    def shape(self, number: int) -> tuple[int, int]:
        """(width, height), the same for all views of a batch."""
        shapes = self._settings.shapes
        random = np.random.default_rng((self._settings.seed, number // self._settings.batch, 1))
        return shapes[int(random.integers(len(shapes)))]

    def plan(self, number: int) -> View:
        return self.planner.plan(number, *self.shape(number))

    def labels(self, view: View) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """People and ignored boxes in arrays of a fixed length: the people with most labelled joints, the largest boxes."""
        people = np.zeros((self._settings.most_people, self._joints, 3), np.float32)
        labelled, known = ((view.people[..., 2] >= state).sum(axis=1) for state in (LABELLED, UNSURE))
        order = np.lexsort((-known, -labelled))[: len(people)]
        people[: len(order)] = view.people[order]
        ignored = np.zeros((self._settings.most_ignored, 4), np.float32)
        areas = (view.ignored[:, 2] - view.ignored[:, 0]) * (view.ignored[:, 3] - view.ignored[:, 1])
        order = np.argsort(-areas, kind="stable")[: len(ignored)]
        ignored[: len(order)] = view.ignored[order]
        return people, ignored

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor, Tensor]:
        view = self.plan(number)
        images = [self._sources.pictures.read(self._sources.labelled[piece.picture].name) for piece in view.pieces]
        people, ignored = self.labels(view)
        rgb = np.ascontiguousarray(render(view, images)[:, :, ::-1].transpose(2, 0, 1))
        return torch.from_numpy(rgb), torch.from_numpy(people), torch.from_numpy(ignored)


def batches(views: Views, batch: int, first: int, workers: int, rank: int = 0, ranks: int = 1) -> Iterator[Batch]:
    """Endless batches from view `first` on. Of every `ranks` batches, process `rank` gets its own."""
    for picture, people, ignored in _loader(views, _Numbers(first, batch, rank, ranks), workers):
        yield Batch(picture, people, ignored)


def planned_batches(
    views: Views, batch: int, first: int, workers: int, rank: int = 0, ranks: int = 1
) -> Iterator[tuple[list[View], Tensor, Tensor]]:
    """As `batches`, without the pixels: plans to be rendered elsewhere, people, ignored boxes."""
    loader = _loader(_Plans(views), _Numbers(first, batch, rank, ranks), workers, collate_fn=list)
    for rows in loader:
        plans, people, ignored = zip(*rows)
        yield list(plans), torch.from_numpy(np.stack(people)), torch.from_numpy(np.stack(ignored))


def _loader(data: Dataset[Any], numbers: "_Numbers", workers: int, **options: Any) -> Iterator[Any]:
    prefetch = 6 if workers else None
    loader = DataLoader(
        data,
        batch_sampler=numbers,
        num_workers=workers,
        prefetch_factor=prefetch,
        worker_init_fn=_start_worker,
        **options,
    )
    # Workers are forked. Had this process OpenCV's threads then, they would wait for ever for threads that they do not have.
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    rows = iter(loader)
    cv2.setNumThreads(threads)
    return rows


class _Plans(Dataset[tuple[View, NDArray[np.float32], NDArray[np.float32]]]):
    def __init__(self, views: Views) -> None:
        self._views = views

    def __getitem__(self, number: int) -> tuple[View, NDArray[np.float32], NDArray[np.float32]]:
        plan = self._views.plan(number)
        return plan, *self._views.labels(plan)


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Numbers of the views of each batch."""

    first: int
    batch: int
    rank: int
    ranks: int

    def __iter__(self) -> Iterator[list[int]]:
        start = self.first + self.rank * self.batch
        while True:
            yield list(range(start, start + self.batch))
            start += self.ranks * self.batch


def _start_worker(_: int) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
