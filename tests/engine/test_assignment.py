"""The matching that boards without SciPy use, against SciPy's."""

import hypothesis.extra.numpy as arrays
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from engine.assignment import best_pairs, shortest_augmenting_paths

tables = arrays.arrays(
    np.float32, st.tuples(st.integers(0, 7), st.integers(0, 7)), elements=st.floats(-100, 100, width=32)
)


@given(tables)
def test_the_sum_is_the_greatest(worth: np.ndarray) -> None:
    rows, columns = shortest_augmenting_paths(worth)
    best = linear_sum_assignment(worth, maximize=True)
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert len(set(columns.tolist())) == len(columns) == min(worth.shape)
    np.testing.assert_allclose(
        worth[rows, columns].sum(dtype=np.float64), worth[best].sum(dtype=np.float64), rtol=1e-6, atol=1e-4
    )


def test_a_clear_table_gives_the_same_pairs_either_way() -> None:
    rng = np.random.default_rng(5)
    for shape in ((1, 1), (3, 8), (8, 3), (30, 30)):
        worth = rng.random(shape)
        for ours, theirs in zip(shortest_augmenting_paths(worth), best_pairs(worth)):
            np.testing.assert_array_equal(ours, theirs)
