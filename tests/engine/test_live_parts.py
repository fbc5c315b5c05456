"""The small parts of the live loop: mailbox, playback, timeline, kept threads."""

import threading
import time

import numpy as np
import pytest
from live_fakes import wait_for

from engine.live.kept_threads import KeptThreads
from engine.live.mailbox import Mailbox
from engine.live.playback import Playback
from engine.live.results import Captured, Passage, Timeline
from engine.types import Frame

IMAGE = np.zeros((4, 4, 3), np.uint8)


def captured(media_s, passage, *, live=False, at_s=0.0):
    return Captured(Frame(IMAGE, 0, round(at_s * 1e9), media_s), passage, live)


def test_the_newest_item_replaces_the_waiting_one_and_is_counted():
    box = Mailbox()
    assert box.take(0) is None
    for item in range(5):
        box.put(item)
    assert box.take(0) == 4
    assert box.dropped == 4
    assert box.take(0.01) is None


def test_whoever_takes_is_woken_by_an_item():
    box, taken = Mailbox(), []
    thread = threading.Thread(target=lambda: taken.append(box.take(10)))
    thread.start()
    box.put("frame")
    thread.join(5)
    assert taken == ["frame"]


def test_a_producer_that_loses_nothing_waits_until_its_item_is_taken():
    box, taken = Mailbox(), []

    def produce():
        for item in range(50):
            while not box.wait_until_free(0.05):
                pass
            box.put(item)

    thread = threading.Thread(target=produce)
    thread.start()
    wait_for(lambda: (item := box.take(0.01)) is None or taken.append(item) or len(taken) == 50)
    while len(taken) < 50:
        taken.append(box.take(5))
    thread.join(5)
    assert taken == list(range(50))
    assert box.dropped == 0


def test_closing_wakes_a_waiting_reader():
    box, taken = Mailbox(), []
    thread = threading.Thread(target=lambda: taken.append(box.take(1000)))
    thread.start()
    box.close()
    thread.join(5)
    assert taken == [None]


def test_closing_wakes_a_waiting_producer_and_lets_go_of_what_waits():
    box, answers = Mailbox(), []
    box.put("frame")
    thread = threading.Thread(target=lambda: answers.append(box.wait_until_free(1000)))
    thread.start()
    box.close()
    thread.join(5)
    assert answers == [True]
    box.put("later")
    assert box.take(0) is None
    assert box.dropped == 0


def test_a_reader_and_a_producer_in_two_threads_lose_only_what_is_counted():
    box, taken = Mailbox(), []

    def read():
        while (item := box.take(5)) is not None:
            taken.append(item)

    thread = threading.Thread(target=read)
    thread.start()
    for item in range(2000):
        box.put(item)
    wait_for(lambda: box.wait_until_free(0))
    wait_for(lambda: taken[-1] == 1999)
    box.close()
    thread.join(5)
    assert taken == sorted(taken)
    assert len(taken) + box.dropped == 2000


def test_frames_of_a_file_come_at_their_times():
    playback = Playback()
    started = time.monotonic()
    for frame in range(4):
        assert playback.wait_until_due(5 + frame * 0.05)
    assert 0.15 <= time.monotonic() - started < 5


def test_faster_and_slower_are_what_they_say():
    playback = Playback()
    playback.set_speed(10)
    started = time.monotonic()
    for frame in range(11):
        playback.wait_until_due(frame * 0.5)
    assert 0.5 <= time.monotonic() - started < 4


def test_a_late_file_is_not_rushed_through():
    playback = Playback()
    playback.wait_until_due(0)
    time.sleep(0.4)
    playback.wait_until_due(0.1)
    started = time.monotonic()
    playback.wait_until_due(0.3)
    assert time.monotonic() - started > 0.15


def test_as_fast_as_possible_waits_for_nothing():
    playback = Playback(real_time=False)
    started = time.monotonic()
    for frame in range(100):
        assert playback.wait_until_due(frame * 60)
    assert time.monotonic() - started < 5


def test_a_paused_file_lets_as_many_frames_through_as_steps_were_asked_for():
    playback = Playback(real_time=False)
    turns = []

    def read():
        while True:
            place = playback.wait_for_turn()
            if closed.is_set():
                return
            turns.append(place)

    closed = threading.Event()
    playback.pause()
    thread = threading.Thread(target=read)
    thread.start()
    playback.step(3)
    wait_for(lambda: len(turns) == 3)
    playback.seek(7.5)
    wait_for(lambda: turns[3:] == [7.5])
    time.sleep(0.05)
    assert len(turns) == 4
    closed.set()
    playback.close()
    thread.join(5)


@pytest.mark.parametrize("wake", [lambda playback: playback.seek(3), lambda playback: playback.close()])
def test_a_reader_that_waits_for_a_frame_s_moment_is_woken(wake):
    playback, answers = Playback(), []
    playback.wait_until_due(0)
    thread = threading.Thread(target=lambda: answers.append(playback.wait_until_due(1000)))
    thread.start()
    wake(playback)
    thread.join(5)
    assert answers == [False]


def test_at_the_end_only_a_seek_or_resuming_goes_on():
    playback = Playback()
    playback.reach_end()
    assert playback.paused
    assert playback.at_end
    playback.resume()
    assert playback.wait_for_turn() == 0.0
    playback.reach_end()
    playback.seek(2)
    assert playback.wait_for_turn() == 2


def test_a_seek_that_comes_just_before_the_end_wins():
    playback = Playback()
    playback.seek(1)
    playback.reach_end()
    assert not playback.at_end
    assert playback.wait_for_turn() == 1


def test_a_file_keeps_its_own_time():
    timeline, passage = Timeline(), Passage("x")
    placed = [timeline.place(captured(media_s, passage)) for media_s in (2.0, 2.1, 2.2)]
    assert placed == [(2.0, False), (pytest.approx(2.1), True), (pytest.approx(2.2), True)]


def test_a_camera_starts_at_zero():
    timeline, passage = Timeline(), Passage("x")
    assert timeline.place(captured(70.0, passage, live=True)) == (0.0, False)
    assert timeline.place(captured(70.5, passage, live=True)) == (0.5, True)


def test_time_goes_on_by_one_frame_over_a_seek():
    timeline, first, second = Timeline(), Passage("x"), Passage("x")
    for media_s in (0.0, 0.1, 0.2):
        timeline.place(captured(media_s, first))
    assert timeline.place(captured(50.0, second)) == (pytest.approx(0.3), False)
    assert timeline.place(captured(50.1, second)) == (pytest.approx(0.4), True)
    assert timeline.place(captured(0.0, Passage("x"))) == (pytest.approx(0.5), False)


def test_the_time_that_a_lost_camera_was_away_counts():
    timeline = Timeline()
    first, second, third = Passage("camera"), Passage("camera"), Passage("other camera")
    timeline.place(captured(0.0, first, live=True, at_s=100.0))
    timeline.place(captured(1.0, first, live=True, at_s=101.0))
    assert timeline.place(captured(0.0, second, live=True, at_s=104.0)) == (pytest.approx(4.0), True)
    assert timeline.place(captured(0.5, second, live=True, at_s=104.5)) == (pytest.approx(4.5), True)
    assert timeline.place(captured(0.0, third, live=True, at_s=105.0)) == (pytest.approx(5.0), False)


def test_times_always_rise():
    timeline, passage = Timeline(), Passage("x")
    random = np.random.default_rng(0)
    last = -1.0
    for media_s in random.uniform(0, 1, 200):
        time_s, _ = timeline.place(captured(float(media_s), passage, live=True, at_s=float(random.uniform(0, 1))))
        assert time_s > last
        last = time_s


def test_pictures_may_stand_for_long():
    timeline, passage = Timeline(), Passage("x")
    assert [timeline.place(captured(5.0 * n, passage))[0] for n in range(3)] == [0.0, 5.0, 10.0]


def test_threads_are_used_again_and_survive_a_failure(caplog):
    threads, names = KeptThreads("kept-test"), []

    def work():
        names.append(threading.current_thread().name)

    def fail():
        work()
        raise RuntimeError("a mistake")

    for function in (work, fail, work) * 20:
        task = threads.start(function)
        task.join(5)
        assert not task.is_alive()
    assert len(names) == 60
    assert len(set(names)) == 1
    assert "a mistake" in caplog.text
    hold = threading.Event()
    first, second = threads.start(lambda: hold.wait(5)), threads.start(work)
    second.join(5)
    assert len(set(names)) == 2
    hold.set()
    first.join(5)
