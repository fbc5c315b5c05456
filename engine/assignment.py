"""Who belongs to whom: the one-to-one matching of rows and columns with the greatest sum.

SciPy does it where it is installed; boards that run an exported network need not have it.
"""

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

Pairs = tuple[NDArray[np.intp], NDArray[np.intp]]


def best_pairs(worth: NDArray[np.floating]) -> Pairs:
    """worth: (R, C) finite -> rows in ascending order and the column of each, min(R, C) of them."""
    return _solver()(worth)


def load() -> None:
    """Loads SciPy where it is installed: 0.6 s that the first matching would take otherwise."""
    _solver()


@cache
def _solver() -> Callable[[NDArray[np.floating]], Pairs]:
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError:
        return shortest_augmenting_paths
    return lambda worth: linear_sum_assignment(worth, maximize=True)


def shortest_augmenting_paths(worth: NDArray[np.floating]) -> Pairs:
    """As `best_pairs`, in plain Python: for the few people of a picture that is fast enough.

    The Hungarian method with potentials, one row at a time, each by the cheapest path that frees a column for it (Jonker
    and Volgenant, Computing 38, 1987).
    """
    if worth.shape[0] > worth.shape[1]:
        columns, rows = shortest_augmenting_paths(worth.T)
        order = np.argsort(rows)
        return rows[order], columns[order]
    cost = (-worth.astype(np.float64)).tolist()
    count, width = worth.shape
    row_potential, column_potential = [0.0] * count, [0.0] * width
    owner = [-1] * width  # row of each column
    for row in range(count):
        distance, before, done = [math.inf] * width, [-1] * width, [False] * width
        here, column, reached = row, -1, 0.0
        while True:
            nearest, least = -1, math.inf
            for j in range(width):
                if done[j]:
                    continue
                through = reached + cost[here][j] - row_potential[here] - column_potential[j]
                if through < distance[j]:
                    distance[j], before[j] = through, column
                if distance[j] < least:
                    nearest, least = j, distance[j]
            column, reached = nearest, least
            if owner[column] < 0:
                break
            done[column] = True
            here = owner[column]
        row_potential[row] += reached
        for j in range(width):
            if done[j]:
                row_potential[owner[j]] += reached - distance[j]
                column_potential[j] -= reached - distance[j]
        # Along the path, every column goes to the row that its predecessor had.
        while column >= 0:
            owner[column] = row if before[column] < 0 else owner[before[column]]
            column = before[column]
    pairs = sorted((row, column) for column, row in enumerate(owner) if row >= 0)
    found = np.array(pairs, np.intp).reshape(-1, 2)
    return found[:, 0], found[:, 1]
