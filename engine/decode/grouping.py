"""From candidates to people: associative embedding (Newell et al., NeurIPS 2017), as HigherHRNet and LitePose decode it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.assignment import best_pairs
from engine.decode.person_score import PersonScorer, person_scores
from engine.decode.proportions import joint_distances
from engine.errors import WeightsError
from engine.types import UNTRACKED, Candidates, Poses
from models.skeleton import Skeleton

# People kept while grouping, per person that may come out: noise starts people that end up as one joint.
SPARE = 4
# Joints are a little off. Two that lie close together would otherwise make a whole person seem tiny.
SLACK = 4.0  # input pixels, one pixel of the coarser maps
# A face turned aside looks smaller than it is.
GENEROUS = 1.5
# What a viewer's confidence is until somebody moves it.
USUAL_CONFIDENCE = 0.2


@dataclass(frozen=True, slots=True)
class GroupingSettings:
    """What counts as a joint and as a person. The defaults suit a viewer; COCO's evaluation wants every guess.

    joint_threshold:  a candidate's score must be above it.
    tag_threshold:    a candidate whose tag is further from a person's mean tag belongs to someone else.
    max_people:       the best ones are kept.
    min_joints:       people with fewer joints are dropped.
    person_threshold: people with a lower person score are dropped.
    body_weight:      how much a candidate's distance to a person's body counts beside its tag. 0: tags alone decide.
    scorer:           gives people their scores. None: a person's score is the sum of its joints' scores divided by J, as
                      in the bottom-up papers' COCO submissions.
    """

    joint_threshold: float = 0.1
    tag_threshold: float = 1.0
    max_people: int = 30
    min_joints: int = 4
    person_threshold: float = 0.15
    body_weight: float = 0.15
    scorer: PersonScorer | None = None

    def __post_init__(self) -> None:
        if not self.joint_threshold >= 0:
            raise ValueError(f"joint_threshold must be at least 0, not {self.joint_threshold}")
        if not self.tag_threshold > 0:
            raise ValueError(f"tag_threshold must be above 0, not {self.tag_threshold}")
        if not self.body_weight >= 0:
            raise ValueError(f"body_weight must be at least 0, not {self.body_weight}")
        if self.max_people < 1 or self.min_joints < 1:
            raise ValueError(f"max_people and min_joints must be at least 1, not {self.max_people}, {self.min_joints}")

    def at_confidence(self, confidence: float) -> "GroupingSettings":
        """Shows more people or fewer: all at 0, nobody at 1.

        USUAL_CONFIDENCE stands for the own person threshold, which suits some weights at one score, others at another one.
        """
        threshold = np.interp(confidence, (0.0, USUAL_CONFIDENCE, 1.0), (0.0, self.person_threshold, 1.0))
        return replace(self, person_threshold=float(threshold))

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], skeleton: Skeleton) -> "GroupingSettings":
        """Reads the settings that weights carry in their metadata; what is not there keeps its default.

        Raises WeightsError if one of them is not a number or impossible, or the scorer is not one for the skeleton.
        """
        found: dict[str, Any] = {}
        for field in fields(cls):
            if field.name not in metadata:
                continue
            text = metadata[field.name]
            if field.name == "scorer":
                found["scorer"] = PersonScorer.from_text(text, skeleton)
                continue
            try:
                found[field.name] = int(text) if isinstance(field.default, int) else float(text)
            except ValueError:
                raise WeightsError(
                    f"The weights' metadata has {field.name} = “{text}”, which is not a number."
                ) from None
        try:
            return cls(**found)
        except ValueError as error:
            raise WeightsError(f"The weights' metadata has impossible grouping settings: {error}.") from error


def group(candidates: Candidates, skeleton: Skeleton, settings: GroupingSettings) -> Poses:
    """Assigns each joint's candidates to people; best person first, keypoints in the pixels of the model's input.

    Joints are visited in the skeleton's order. Candidates of a joint and people so far are matched one to one so that
    the sum of score × person's mean score × fit is greatest (Hungarian method). Fit falls from 1 to 0 with the squared
    tag distance, in units of the threshold, and with the squared distance to the body, in units of what the person's
    size allows. The product of scores gives the clearest joints to the clearest people where the fit is alike.
    Candidates that fit nobody start new people. Those with a NaN anywhere are ignored.

    Raises ValueError if the candidates are not of the skeleton's joints.
    """
    if len(candidates.scores) != skeleton.joint_count:
        raise ValueError(f"{skeleton.name} has {skeleton.joint_count} joints, not {len(candidates.scores)}")
    usable = _usable(candidates, settings)
    # By score and place: the order in which they came decides nothing.
    sorting = np.lexsort((candidates.tags, candidates.xy[..., 1], candidates.xy[..., 0], -candidates.scores), axis=-1)
    people = _People(skeleton, SPARE * settings.max_people)
    for step, joint in enumerate(skeleton.order):
        chosen = sorting[joint][usable[joint][sorting[joint]]]
        if not len(chosen):
            continue
        xy, scores, tags = (
            candidates.xy[joint, chosen],
            candidates.scores[joint, chosen],
            candidates.tags[joint, chosen],
        )
        new = np.arange(len(chosen))
        if people.count:
            benefit = scores[:, None] * people.mean_scores * people.fit(step, xy, tags, settings)
            rows, columns = best_pairs(benefit)
            fits = benefit[rows, columns] > 0
            rows = rows[fits]
            people.add(columns[fits], step, xy[rows], scores[rows], tags[rows])
            new = np.delete(new, rows)
        new = new[: people.room]
        if len(new):
            heights = _likely_heights(joint, xy[new], tags[new], candidates, usable, skeleton, settings)
            people.start(step, xy[new], scores[new], tags[new], heights)
    return people.poses(settings)


def _usable(candidates: Candidates, settings: GroupingSettings) -> NDArray[np.bool_]:
    """(J, K) which candidates count."""
    scores = candidates.scores
    usable: NDArray[np.bool_] = (scores > settings.joint_threshold) & np.isfinite(scores) & np.isfinite(candidates.tags)
    return usable & np.isfinite(candidates.xy).all(axis=2)


def _likely_heights(
    joint: int,
    xy: NDArray[np.float32],
    tags: NDArray[np.float32],
    candidates: Candidates,
    usable: NDArray[np.bool_],
    skeleton: Skeleton,
    settings: GroupingSettings,
) -> NDArray[np.float32]:
    """(n,) body heights of people of whom one joint is known, infinite where nothing shows it.

    Each other joint's nearest candidate with a similar tag implies a height. Some belong to somebody else and lie too
    far, so a low one is taken; but not the lowest, for one may lie near by chance.
    """
    away = np.hypot(xy[:, 0, None, None] - candidates.xy[..., 0], xy[:, 1, None, None] - candidates.xy[..., 1])
    similar = usable & (np.abs(tags[:, None, None] - candidates.tags) < settings.tag_threshold)
    nearest = np.where(similar, away, np.inf).min(axis=2) / joint_distances(skeleton)[joint]
    nearest[:, joint] = np.inf
    nearest.sort(axis=1)
    fifth = np.maximum(np.isfinite(nearest).sum(axis=1) - 1, 0) // 5
    heights: NDArray[np.float32] = GENEROUS * nearest[np.arange(len(xy)), fifth]
    return heights


class _People:
    """The people so far. Arrays have a row per person, `count` of them in use, and columns in the order of visits."""

    def __init__(self, skeleton: Skeleton, capacity: int) -> None:
        joints = skeleton.joint_count
        order = np.array(skeleton.order)
        self.skeleton = skeleton
        self.count = 0
        self._order = order
        self._per_distance = 1 / joint_distances(skeleton)[order[:, None], order]
        self._x = np.zeros((capacity, joints), np.float32)
        self._y = np.zeros((capacity, joints), np.float32)
        self._scores = np.zeros((capacity, joints), np.float32)
        self._found = np.zeros((capacity, joints), np.float32)  # 1 or 0: a factor below
        self._tag_sums = np.zeros(capacity, np.float32)
        self._sizes = np.zeros(capacity, np.int64)
        self._heights = np.zeros(capacity, np.float32)

    @property
    def room(self) -> int:
        """How many more people may start."""
        return len(self._sizes) - self.count

    @property
    def mean_scores(self) -> NDArray[np.float32]:
        """(count,) mean score of each person's joints so far."""
        means: NDArray[np.float32] = self._scores[: self.count].sum(axis=1) / self._sizes[: self.count]
        return means

    def fit(
        self, step: int, xy: NDArray[np.float32], tags: NDArray[np.float32], settings: GroupingSettings
    ) -> NDArray[np.float32]:
        """(candidates, people) from 0, not this person's joint, to 1, in the middle of what is expected.

        A candidate's distance to the body is the worst of its distances to the person's joints, each relative to how far
        apart the two can be at the person's height: one impossible limb is enough to speak against it.
        """
        people = slice(self.count)
        tag_distance = tags[:, None] - self._tag_sums[people] / self._sizes[people]
        stretch = (self._found[people, :step] * self._per_distance[step, :step] / self._heights[people, None]) ** 2
        away = (xy[:, 0, None, None] - self._x[people, :step]) ** 2
        away += (xy[:, 1, None, None] - self._y[people, :step]) ** 2
        away *= stretch
        distance = tag_distance**2 / settings.tag_threshold**2 + settings.body_weight * away.max(axis=2)
        fit: NDArray[np.float32] = np.maximum(0, 1 - distance)
        return fit

    def start(
        self,
        step: int,
        xy: NDArray[np.float32],
        scores: NDArray[np.float32],
        tags: NDArray[np.float32],
        heights: NDArray[np.float32],
    ) -> None:
        """Makes each candidate a person of its own. There must be room."""
        new = np.arange(self.count, self.count + len(xy))
        self.count += len(xy)
        self._heights[new] = np.maximum(heights, SLACK)
        self._put(new, step, xy, scores, tags)

    def add(
        self,
        people: NDArray[np.intp],
        step: int,
        xy: NDArray[np.float32],
        scores: NDArray[np.float32],
        tags: NDArray[np.float32],
    ) -> None:
        """Gives each of the people one candidate as its joint. People grow with the distances that their joints show."""
        away = np.hypot(xy[:, :1] - self._x[people, :step], xy[:, 1:] - self._y[people, :step]) + SLACK
        shown = (away * self._found[people, :step] * self._per_distance[step, :step]).max(axis=1)
        self._heights[people] = np.maximum(self._heights[people], shown)
        self._put(people, step, xy, scores, tags)

    def _put(
        self,
        people: NDArray[np.intp],
        step: int,
        xy: NDArray[np.float32],
        scores: NDArray[np.float32],
        tags: NDArray[np.float32],
    ) -> None:
        self._x[people, step] = xy[:, 0]
        self._y[people, step] = xy[:, 1]
        self._scores[people, step] = scores
        self._found[people, step] = 1
        self._tag_sums[people] += tags
        self._sizes[people] += 1

    def poses(self, settings: GroupingSettings) -> Poses:
        """Everyone who is good enough, best first, in the skeleton's own order of joints."""
        enough = np.flatnonzero(self._sizes[: self.count] >= settings.min_joints)
        found = self._found[enough] > 0
        keypoints = np.full((len(enough), self.skeleton.joint_count, 2), np.nan, np.float32)
        keypoints[:, self._order, 0] = np.where(found, self._x[enough], np.nan)
        keypoints[:, self._order, 1] = np.where(found, self._y[enough], np.nan)
        scores = np.zeros((len(enough), self.skeleton.joint_count), np.float32)
        scores[:, self._order] = np.minimum(self._scores[enough], 1)
        totals = person_scores(keypoints, scores, self.skeleton, settings.scorer)
        best = np.argsort(-totals, kind="stable")
        best = best[totals[best] >= settings.person_threshold][: settings.max_people]
        ids = np.full(len(best), UNTRACKED, np.int64)
        return Poses(keypoints[best], scores[best], totals[best], ids, self.skeleton)
