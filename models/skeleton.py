"""Joint names, limbs and the constants that belong to them. No torch, no engine."""

from dataclasses import dataclass

from models.errors import ArchitectureError

# Object keypoint similarity needs a person's area: where no outline tells it, this share of the box, as CrowdPose's
# evaluation takes it.
AREA_OF_BOX = 0.53


@dataclass(frozen=True, slots=True)
class Skeleton:
    """The joints that a network finds.

    name:    "coco-17" or "crowdpose-14".
    joints:  J names, in the order of the network's channels.
    limbs:   pairs of joint indices that are drawn as lines.
    flip:    J indices: the joint that each joint becomes in a mirrored picture.
    sigmas:  J per-joint constants of object keypoint similarity (COCO; CrowdPose's evaluation code for 14 joints).
    order:   J indices: the order in which grouping visits the joints (HigherHRNet: head and trunk before limbs).
    """

    name: str
    joints: tuple[str, ...]
    limbs: tuple[tuple[int, int], ...]
    flip: tuple[int, ...]
    sigmas: tuple[float, ...]
    order: tuple[int, ...]

    @property
    def joint_count(self) -> int:
        return len(self.joints)

    def side(self, joint: int) -> str:
        """'left', 'right' or 'middle', from the person's own view."""
        first = self.joints[joint].split("_")[0]
        return first if first in ("left", "right") else "middle"

    def index(self, joint: str) -> int:
        return self.joints.index(joint)


def _mirrored(joints: tuple[str, ...]) -> tuple[int, ...]:
    swap = {"left": "right", "right": "left"}
    names = ["_".join([swap.get(name.split("_")[0], name.split("_")[0]), *name.split("_")[1:]]) for name in joints]
    return tuple(joints.index(name) for name in names)


_COCO = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)
_CROWDPOSE = (
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
    "head",
    "neck",
)

COCO_17 = Skeleton(
    name="coco-17",
    joints=_COCO,
    limbs=(
        (0, 1),
        (0, 2),
        (1, 3),
        (2, 4),
        (5, 6),
        (5, 7),
        (7, 9),
        (6, 8),
        (8, 10),
        (5, 11),
        (6, 12),
        (11, 12),
        (11, 13),
        (13, 15),
        (12, 14),
        (14, 16),
    ),
    flip=_mirrored(_COCO),
    sigmas=(0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089),
    order=(0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16),
)  # fmt: skip

CROWDPOSE_14 = Skeleton(
    name="crowdpose-14",
    joints=_CROWDPOSE,
    limbs=(
        (12, 13),
        (13, 0),
        (13, 1),
        (0, 2),
        (2, 4),
        (1, 3),
        (3, 5),
        (0, 6),
        (1, 7),
        (6, 7),
        (6, 8),
        (8, 10),
        (7, 9),
        (9, 11),
    ),
    flip=_mirrored(_CROWDPOSE),
    sigmas=(0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089, 0.079, 0.079),
    order=(12, 13, 0, 1, 6, 7, 2, 3, 4, 5, 8, 9, 10, 11),
)

SKELETONS = {skeleton.name: skeleton for skeleton in (COCO_17, CROWDPOSE_14)}


def skeleton_named(name: str) -> Skeleton:
    """Raises ArchitectureError with the known names for any other one."""
    try:
        return SKELETONS[name]
    except KeyError:
        raise ArchitectureError(f"Unknown skeleton “{name}”. Known: {', '.join(SKELETONS)}.") from None
