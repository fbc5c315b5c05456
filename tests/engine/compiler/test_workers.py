"""TVM's workers: as many as asked for, and not where the thread is that waits for them."""

import os
import threading

import pytest

from engine.compiler import workers
from engine.compiler.runtime import load_runtime

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2, reason="needs Linux and two processors"
)


@pytest.fixture
def quiet(monkeypatch):
    monkeypatch.setattr(workers.Neighbours, "quiet", lambda self: True)


def in_a_thread(work):
    """With a pool of its own, and processors of its own."""
    failures = []

    def run():
        try:
            work()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


def test_workers_keep_clear_of_the_calling_threads_processor(quiet):
    def work():
        allowed = os.sched_getaffinity(0)
        workers.use(2, *load_runtime())
        (worker,) = workers._pool.workers
        for processor in sorted(allowed):
            os.sched_setaffinity(0, {processor})
            workers.use(2, *load_runtime())
            assert os.sched_getaffinity(worker) == allowed - {processor}

    in_a_thread(work)


def test_workers_go_where_they_like_beside_a_busy_program(quiet, monkeypatch):
    def work():
        allowed = os.sched_getaffinity(0)
        workers.use(2, *load_runtime())
        (worker,) = workers._pool.workers
        assert os.sched_getaffinity(worker) < allowed
        monkeypatch.setattr(workers.Neighbours, "quiet", lambda self: False)
        workers.use(2, *load_runtime())
        assert os.sched_getaffinity(worker) == allowed

    in_a_thread(work)


def test_neighbours_are_those_who_use_processors_beside_this_program(tmp_path, monkeypatch):
    statistics = tmp_path / "stat"
    seconds, own = [100.0], [5.0]
    monkeypatch.setattr(workers.time, "monotonic", lambda: seconds[0])
    monkeypatch.setattr(workers.time, "process_time", lambda: own[0])
    neighbours = workers.Neighbours(statistics)

    def after(second, busy_s, own_s):
        seconds[0] += second
        own[0] += own_s
        busy[0] += busy_s * os.sysconf("SC_CLK_TCK")
        statistics.write_text(f"cpu {int(busy[0])} 0 0 9999 0 0 0 0 0 0\ncpu0 1 2 3\n")
        return neighbours.quiet()

    busy = [0.0]
    assert not neighbours.quiet()  # there is no such file
    assert not after(1.0, 50.0, 0.0)  # nothing to compare with
    assert after(1.0, 1.2, 1.1)
    assert after(0.1, 0.1, 0.0)  # too early to look again
    assert not after(1.0, 2.0, 1.1)
    assert after(1.0, 1.1, 1.1)
    statistics.write_text("something else\n")
    seconds[0] += 1.0
    assert not neighbours.quiet()


def test_a_thread_alone_has_no_workers():
    def work():
        workers.use(2, *load_runtime())
        workers.use(1, *load_runtime())
        assert not workers._pool.workers

    in_a_thread(work)


def test_workers_stay_where_no_other_processor_is_allowed(quiet):
    def work():
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        workers.use(2, *load_runtime())
        (worker,) = workers._pool.workers
        assert os.sched_getaffinity(worker) >= os.sched_getaffinity(0)

    in_a_thread(work)


def test_a_system_that_forbids_it_is_no_error(quiet, monkeypatch):
    def forbid(*_):
        raise PermissionError

    monkeypatch.setattr(os, "sched_setaffinity", forbid)

    def work():
        workers.use(2, *load_runtime())
        assert not workers._pool.workers

    in_a_thread(work)
