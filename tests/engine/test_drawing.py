"""What is drawn, where, and that nothing a network can say makes drawing fail."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.data import astronaut

from engine.drawing import (
    DrawingSettings,
    Trails,
    black_scene,
    blur_faces,
    draw,
    draw_boxes,
    draw_heatmap,
    draw_ids,
    draw_overlay_text,
    draw_skeletons,
)
from engine.drawing.palette import LEFT, RIGHT, id_colour
from engine.types import UNTRACKED, Poses
from models.skeleton import COCO_17, CROWDPOSE_14

EVERYTHING = DrawingSettings(boxes=True, ids=True, trails=True, heatmap=True, blur_faces=True)

STANDING = {
    "nose": (0.00, 0.08), "left_eye": (0.03, 0.06), "right_eye": (-0.03, 0.06), "left_ear": (0.06, 0.08),
    "right_ear": (-0.06, 0.08), "left_shoulder": (0.12, 0.19), "right_shoulder": (-0.12, 0.19),
    "left_elbow": (0.15, 0.34), "right_elbow": (-0.15, 0.34), "left_wrist": (0.16, 0.47), "right_wrist": (-0.16, 0.47),
    "left_hip": (0.08, 0.49), "right_hip": (-0.08, 0.49), "left_knee": (0.08, 0.72), "right_knee": (-0.08, 0.72),
    "left_ankle": (0.08, 0.94), "right_ankle": (-0.08, 0.94), "head": (0.0, 0.0), "neck": (0.0, 0.16),
}  # fmt: skip

# The joints of the face in the picture of the astronaut, and her shoulders.
ASTRONAUT = {
    "nose": (219, 123), "left_eye": (241, 99), "right_eye": (200, 101), "left_ear": (262, 108), "right_ear": (182, 112),
    "left_shoulder": (335, 255), "right_shoulder": (120, 250),
}  # fmt: skip


def people(
    *places: tuple[float, float, float], skeleton=COCO_17, score: float = 0.8, ids: list[int] | None = None
) -> Poses:
    """One standing person per (x, y, height)."""
    joints = np.array([STANDING[joint] for joint in skeleton.joints], np.float32)
    keypoints = np.array([joints * height + (x, y) for x, y, height in places], np.float32)
    keypoints = keypoints.reshape(-1, skeleton.joint_count, 2)
    scores = np.full(keypoints.shape[:2], score, np.float32)
    numbers = np.array(ids if ids is not None else [UNTRACKED] * len(places), np.int64)
    return Poses(keypoints, scores, scores.mean(axis=1), numbers, skeleton)


def face(*joints: str) -> Poses:
    """The astronaut, with these joints only."""
    keypoints = np.full((1, 17, 2), np.nan, np.float32)
    for joint in joints:
        keypoints[0, COCO_17.index(joint)] = ASTRONAUT[joint]
    scores = np.where(np.isnan(keypoints[..., 0]), 0, 0.8).astype(np.float32)
    return Poses(keypoints, scores, scores.mean(axis=1), np.zeros(1, np.int64), COCO_17)


def grey(height: int = 240, width: int = 320) -> NDArray[np.uint8]:
    return np.full((height, width, 3), 120, np.uint8)


def changed(scene: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pixels that are no longer grey."""
    return (scene != 120).any(axis=2)


def test_sides_of_the_body_have_their_colours() -> None:
    scene = grey(480, 640)
    poses = people((320, 20, 440))
    draw_skeletons(scene, poses)
    for joint, colour in (("left", LEFT), ("right", RIGHT)):
        elbow, wrist = (poses.keypoints[0, COCO_17.index(f"{joint}_{end}")] for end in ("elbow", "wrist"))
        x, y = np.round((elbow + wrist) / 2).astype(int)
        assert tuple(scene[y, x]) == colour


@pytest.mark.parametrize("shade", [0, 120, 255])
def test_a_skeleton_stands_out_from_any_background(shade: int) -> None:
    scene = np.full((240, 320, 3), shade, np.uint8)
    draw_skeletons(scene, people((160, 10, 220)))
    assert (np.abs(scene.astype(int) - shade).max(axis=2) > 90).sum() > 1000


def test_larger_people_have_thicker_limbs() -> None:
    small, large = grey(720, 1280), grey(720, 1280)
    draw_skeletons(small, people((640, 20, 100)))
    draw_skeletons(large, people((640, 20, 400)))
    # Four times the height at the same thickness would be four times the pixels.
    assert changed(large).sum() > 6 * changed(small).sum()


def test_joints_below_the_threshold_are_not_drawn() -> None:
    poses = people((160, 10, 220))
    poses.scores[0, [7, 9]] = 0.2
    scene = grey()
    draw_skeletons(scene, poses, threshold=0.3)
    x, y = np.round(poses.keypoints[0, 9]).astype(int)
    assert not changed(scene)[y - 3 : y + 4, x - 3 : x + 4].any()
    x, y = np.round(poses.keypoints[0, 10]).astype(int)
    assert changed(scene)[y, x]


def test_unsure_limbs_are_fainter_than_sure_ones() -> None:
    sure, unsure = people((160, 10, 220)), people((160, 10, 220))
    unsure.scores[0, 9] = 0.12
    scenes = [grey(), grey()]
    for scene, poses in zip(scenes, (sure, unsure)):
        draw_skeletons(scene, poses)
    x, y = np.round(sure.keypoints[0, [7, 9]].mean(axis=0)).astype(int)
    strong, weak = (int(np.abs(scene[y, x].astype(int) - 120).max()) for scene in scenes)
    assert 20 < weak < 0.7 * strong


def test_who_is_near_covers_who_is_far() -> None:
    near, far = people((160, -40, 400)), people((160, 40, 120))
    both = Poses(
        np.concatenate([near.keypoints, far.keypoints]),
        np.concatenate([near.scores, far.scores]),
        np.array([0.9, 0.8], np.float32),
        np.full(2, UNTRACKED),
        COCO_17,
    )
    alone, together = grey(), grey()
    draw_skeletons(alone, near)
    draw_skeletons(together, both)
    x, y = np.round(near.keypoints[0, [5, 6]].mean(axis=0)).astype(int)
    assert (alone[y, x] == together[y, x]).all()


HARD = {
    "nobody": people(),
    "partly outside": people((-10, -60, 300), (330, 100, 200)),
    "all outside": people((-900, 50, 200), (160, 5000, 200)),
    "tiny": people((50, 50, 10), (100, 50, 3), (150, 50, 0)),
    "huge": people((160, -4000, 20_000)),
    "absurd": people((1e9, -1e9, 1e8)),
    "other skeleton": people((160, 10, 200), skeleton=CROWDPOSE_14),
}


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("size", [(240, 320), (37, 21), (1, 1)])
@pytest.mark.parametrize("settings", [EVERYTHING, DrawingSettings(privacy=True, boxes=True, ids=True)])
def test_nothing_makes_drawing_fail(name: str, size: tuple[int, int], settings: DrawingSettings) -> None:
    poses = HARD[name]
    poses = Poses(poses.keypoints, poses.scores, poses.person_scores, np.arange(len(poses)), poses.skeleton)
    scene, trails = grey(*size), Trails()
    for time_s in (0.0, 0.1, 0.2):
        trails.update(poses, scene, time_s)
    draw(scene, poses, settings, trails=trails, heat=np.ones((4, 4), np.float32), lines=["30 fps", ""])
    assert scene.shape == (*size, 3)


@pytest.mark.parametrize("seed", range(8))
def test_missing_joints_make_nothing_fail(seed: int) -> None:
    random = np.random.default_rng(seed)
    poses = people((100, 20, 200), (200, 60, 90), (30, 30, 40), (250, 100, 100), ids=[1, 2, 3, 4])
    poses.keypoints[random.random((4, 17)) < 0.15 * seed] = np.nan
    poses.keypoints[3] = np.nan
    poses.scores[:] = np.where(np.isnan(poses.keypoints[..., 0]), 0, random.random((4, 17)))
    scene, trails = grey(), Trails()
    trails.update(poses, scene, 0.0)
    trails.update(poses, scene, 0.1)
    draw(scene, poses, EVERYTHING, trails=trails, heat=np.full((8, 8), np.nan), lines=["a"])


def test_nothing_is_drawn_beyond_a_person() -> None:
    scene = grey(480, 640)
    draw_skeletons(scene, people((320, 100, 200)))
    rows, columns = np.nonzero(changed(scene))
    assert (rows.min(), rows.max()) == (pytest.approx(112, abs=8), pytest.approx(288, abs=8))
    assert (columns.min(), columns.max()) == (pytest.approx(288, abs=8), pytest.approx(352, abs=8))


def test_boxes_hold_the_whole_body_and_have_the_colour_of_the_id() -> None:
    scene = grey(480, 640)
    draw_boxes(scene, people((320, 100, 300), ids=[5]))
    # Anti-aliasing mixes the thin line with what is beside it.
    rows, columns = np.nonzero((np.abs(scene.astype(int) - id_colour(5)) < 60).all(axis=2))
    assert rows.min() < 100
    assert rows.max() > 100 + 0.97 * 300
    assert columns.min() < 320 - 0.16 * 300
    assert columns.max() > 320 + 0.16 * 300


def test_ids_are_shown_for_tracked_people_only() -> None:
    scene = grey()
    draw_ids(scene, people((160, 60, 150)))
    assert not changed(scene).any()
    draw_ids(scene, people((160, 60, 150), ids=[7]))
    assert changed(scene).sum() > 100
    assert not changed(scene)[80:].any()


def test_id_of_someone_at_the_upper_edge_stays_in_the_picture() -> None:
    scene = grey()
    draw_ids(scene, people((2, -100, 200), ids=[7]))
    assert changed(scene)[:30, :60].sum() > 100


def test_neighbouring_ids_have_different_colours() -> None:
    for number in range(20):
        for other in range(number + 1, number + 5):
            assert np.abs(np.subtract(id_colour(number), id_colour(other))).max() > 40


def test_trails_follow_people_and_fade_away() -> None:
    trails = Trails(seconds=1.0)
    for step in range(11):
        trails.update(people((20 + 20 * step, 60, 100), ids=[3]), grey(), step / 10)
    scene = grey()
    trails.draw(scene)
    columns = np.nonzero(changed(scene))[1]
    assert columns.min() < 30
    assert columns.max() > 210
    trails.update(people(), grey(), 1.9)
    later = grey()
    trails.draw(later)
    assert 0 < changed(later).sum() < changed(scene).sum()
    trails.update(people(), grey(), 2.1)
    gone = grey()
    trails.draw(gone)
    assert not changed(gone).any()


def test_seek_backwards_starts_new_trails() -> None:
    trails = Trails()
    trails.update(people((20, 60, 100), ids=[3]), grey(), 5.0)
    trails.update(people((300, 60, 100), ids=[3]), grey(), 1.0)
    scene = grey()
    trails.draw(scene)
    assert not changed(scene).any()


def test_heatmap_glows_where_it_is_hot_and_leaves_the_rest() -> None:
    heat = np.zeros((30, 40), np.float32)
    heat[10, 30] = 1.0
    scene = grey()
    draw_heatmap(scene, heat)
    assert np.abs(scene[84, 244].astype(int) - 120).max() > 60
    assert not changed(scene)[150:, :150].any()


@pytest.mark.parametrize(
    "joints",
    [
        ("nose",),
        ("left_ear",),
        ("left_ear", "right_ear"),
        ("nose", "left_eye", "right_eye"),
        ("nose", "left_ear"),
        ("left_eye", "left_ear", "left_shoulder"),
        ("nose", "left_shoulder", "right_shoulder"),
        ("left_shoulder", "right_shoulder"),
        tuple(ASTRONAUT),
    ],
    ids="+".join,
)
def test_nothing_of_a_face_is_left(joints: tuple[str, ...]) -> None:
    """Of brows, eyes, nose and mouth no edge survives, whichever joints were found."""
    image = cv2.cvtColor(astronaut(), cv2.COLOR_RGB2BGR)
    scene = image.copy()
    blur_faces(scene, face(*joints))

    def detail(picture: NDArray[np.uint8]) -> float:
        return float(np.abs(cv2.Laplacian(picture[75:160, 190:255], cv2.CV_32F)).mean())

    assert detail(scene) < 0.12 * detail(image)


@pytest.mark.parametrize("skeleton", [COCO_17, CROWDPOSE_14], ids=lambda skeleton: skeleton.name)
def test_the_whole_head_is_covered_and_the_legs_are_not(skeleton) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8)
    scene = noise.copy()
    blur_faces(scene, people((320, 60, 400), skeleton=skeleton))
    same = (scene == noise).all(axis=2)
    assert same[60 : 60 + 48, 320 - 26 : 320 + 26].mean() < 0.02  # from the top of the head to the chin
    assert same[250:].all()


def test_nobody_gets_blurred_when_nobody_is_there() -> None:
    scene = grey()
    blur_faces(scene, people())
    assert not changed(scene).any()


def test_privacy_leaves_nothing_of_the_picture() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    scene, black = noise.copy(), black_scene(noise)
    settings = DrawingSettings(privacy=True, boxes=True)
    draw(scene, people((160, 20, 200)), settings)
    draw(black, people((160, 20, 200)), DrawingSettings(boxes=True))
    assert np.array_equal(scene, black)
    assert black.any()


def test_only_what_is_on_is_drawn() -> None:
    scene, trails = grey(), Trails()
    trails.update(people((100, 20, 200), ids=[1]), scene, 0.0)
    trails.update(people((160, 20, 200), ids=[1]), scene, 0.1)
    off = DrawingSettings(skeletons=False)
    draw(scene, people((160, 20, 200), ids=[1]), off, trails=trails, heat=np.ones((4, 4), np.float32))
    assert not changed(scene).any()


def test_text_is_written_in_the_corner() -> None:
    scene = grey(720, 1280)
    draw_overlay_text(scene, ["24.6 fps", "latency 38 ms"])
    assert changed(scene)[:90, :250].any()
    assert not changed(scene)[120:].any()
    assert not changed(scene)[:, 400:].any()
    assert scene.max() > 200


def test_text_wider_than_the_picture_is_cut() -> None:
    scene = grey(60, 80)
    draw_overlay_text(scene, ["much longer than the picture is wide"] * 9)
    assert changed(scene).any()
