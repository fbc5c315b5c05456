import numpy as np
import torch
from torch import Tensor

from models.training.losses import heatmap_loss, tag_losses
from models.training.schedule import learning_rate
from models.training.settings import Schedule
from models.training.targets import heatmaps, joint_deviations, tag_places


def person(*joints: tuple[float, float, float]) -> Tensor:
    return torch.tensor([[list(joints)]], dtype=torch.float32)


NOBODY = torch.zeros(1, 1, 4)


def test_a_target_is_a_gaussian_around_the_joint() -> None:
    target, mask = heatmaps(person((17.5, 9.5, 2)), NOBODY, torch.full((1, 1, 1), 4.0), 16, 16, stride=2)
    y, x = np.mgrid[:16, :16]
    expected = np.exp(-((x - 8.5) ** 2 + (y - 4.5) ** 2) / 8)  # (17.5 + 0.5) / 2 - 0.5 and (9.5 + 0.5) / 2 - 0.5
    assert np.allclose(target[0, 0].numpy(), expected, atol=1e-6)
    assert bool((mask == 1).all())


def test_a_large_persons_gaussians_are_wider_where_oks_allows_more() -> None:
    people = torch.cat(
        [person((0, 0, 2), (200, 80, 1)), person((7, 7, 2), (9, 9, 0)), person((0, 0, 0), (0, 0, 0))], dim=1
    )
    result = joint_deviations(people, torch.tensor([0.025, 0.107]), share=0.4, least=4)
    hip = 0.4 * 2 * 0.107 * (0.53 * 200 * 80) ** 0.5
    assert np.allclose(result.numpy(), [[[4, hip], [4, 4], [4, 4]]])
    assert bool((joint_deviations(people, torch.tensor([0.025, 0.107]), share=0, least=8) == 8).all())


def test_of_two_people_the_nearer_one_counts() -> None:
    both = torch.cat([person((10, 10, 2)), person((30, 10, 2))], dim=1)
    spread = torch.tensor([[[8.0], [6.0]]])
    target, _ = heatmaps(both, NOBODY, spread, 12, 12, 4)
    one, other = (heatmaps(both[:, i : i + 1], NOBODY, spread[:, i : i + 1], 12, 12, 4)[0] for i in range(2))
    assert torch.equal(target, torch.maximum(one, other))


def test_nothing_is_learned_in_ignored_boxes_but_near_labelled_joints() -> None:
    boxes = torch.tensor([[[0.0, 0.0, 32.0, 64.0]]])
    target, mask = heatmaps(person((20, 32, 2), (50, 32, 2)), boxes, torch.full((1, 1, 2), 8.0), 16, 16, 4)
    assert bool((mask[0, 1, :, :8] == 0).all())  # nothing of the second joint is in the box
    assert bool((mask[0, :, :, 8:] == 1).all())
    assert torch.equal(mask[0, 0, :, :8] == 1, target[0, 0, :, :8] > 0.1)


def test_an_unsure_joint_is_left_out_around_its_place_alone() -> None:
    _, mask = heatmaps(person((8, 8, 1), (56, 56, 2)), NOBODY, torch.full((1, 1, 2), 8.0), 16, 16, 4)
    assert mask[0, 0, 2, 2] == 0  # its place
    assert mask[0, 0, 12, 12] == 1
    assert bool((mask[0, 1] == 1).all())


def test_masked_places_and_weights_decide_the_loss() -> None:
    target, mask = torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
    target[0, 0, 0, 0], mask[0, 0, 1, 1] = 1, 0
    output = torch.full((1, 1, 2, 2), 0.5)
    assert float(heatmap_loss(output, target, mask, joint_weight=3)) == (0.25 * 4 + 0.25 + 0.25) / 4


def test_tags_pull_together_and_push_apart() -> None:
    people = torch.cat([person((0, 0, 2), (4, 0, 2)), person((8, 0, 2), (12, 0, 0))], dim=1)
    places = tag_places(people, 4, 4, 4)
    assert places.tolist() == [[[0, 16 + 1], [2, -1]]]
    tags = torch.zeros(1, 2, 4, 4)
    tags[0, 0, 0, 0], tags[0, 1, 0, 1], tags[0, 0, 0, 2] = 1.0, 3.0, 2.5
    pull, push = tag_losses(tags, places)
    assert np.isclose(float(pull), (1.0 + 0.0) / 2)  # variances of the tags 1, 3 and of a single one
    assert np.isclose(float(push), 0.5 * 2 * np.exp(-0.25) / 2)


def test_one_person_alone_is_not_pushed() -> None:
    places = tag_places(person((0, 0, 2)), 4, 4, 4)
    assert float(tag_losses(torch.ones(1, 1, 4, 4), places)[1]) == 0


def test_learning_rates_warm_up_and_fall() -> None:
    constant = Schedule("constant", rate=1.0, warm_up=100, views=1000)
    assert learning_rate(constant, 50_000, 49) == 0.5
    assert learning_rate(constant, 50_000, 5_000) == 1.0
    cosine = Schedule("cosine", rate=1.0, end=0.1, warm_up=0, views=1000)
    assert np.isclose(learning_rate(cosine, 500, 500), 0.55)
    assert np.isclose(learning_rate(cosine, 2000, 2000), 0.1)
