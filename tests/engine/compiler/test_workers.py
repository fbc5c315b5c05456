"""TVM's workers: as many as asked for, and not where the thread is that waits for them."""

import os
import threading

import pytest

from engine.compiler import workers
from engine.compiler.runtime import load_runtime

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2, reason="needs Linux and two processors"
)


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


def test_workers_keep_clear_of_the_calling_threads_processor():
    def work():
        allowed = os.sched_getaffinity(0)
        workers.use(2, *load_runtime())
        (worker,) = workers._pool.workers
        for processor in sorted(allowed):
            os.sched_setaffinity(0, {processor})
            workers.use(2, *load_runtime())
            assert os.sched_getaffinity(worker) == allowed - {processor}

    in_a_thread(work)


def test_a_thread_alone_has_no_workers():
    def work():
        workers.use(2, *load_runtime())
        workers.use(1, *load_runtime())
        assert not workers._pool.workers

    in_a_thread(work)


def test_workers_stay_where_no_other_processor_is_allowed():
    def work():
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        workers.use(2, *load_runtime())
        (worker,) = workers._pool.workers
        assert os.sched_getaffinity(worker) >= os.sched_getaffinity(0)

    in_a_thread(work)


def test_a_system_that_forbids_it_is_no_error(monkeypatch):
    def forbid(*_):
        raise PermissionError

    monkeypatch.setattr(os, "sched_setaffinity", forbid)

    def work():
        workers.use(2, *load_runtime())
        assert not workers._pool.workers

    in_a_thread(work)
