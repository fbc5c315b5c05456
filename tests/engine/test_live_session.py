"""The live loop on fake sources and networks: what a user sees when things go well, and when they do not."""

import threading
import time

import numpy as np
import pytest
from live_fakes import FakeSource, FakeVideo, Networks, Sources, Watched, endless, wait_for

from engine.decode.grouping import USUAL_CONFIDENCE
from engine.errors import CompilerError, SourceError, UsageError, WeightsError
from engine.live import EventKind, FileMode, LiveOptions, LiveSession, SessionState
from engine.sources import SourceSettings

S = SessionState
FAST = SourceSettings(real_time=False)
REAL_TIME = SourceSettings(real_time=True)


def camera(size=(64, 48), **keywords):
    return lambda settings: FakeSource(endless(size), settings, **keywords)


def own_threads() -> list[str]:
    """Threads of sessions; the idle ones that are kept for the next network are none of them."""
    return [t.name for t in threading.enumerate() if t.name.startswith("litepose") and "network" not in t.name]


def test_a_camera_gives_people_until_it_is_stopped():
    sources = Sources(camera=camera())
    with Watched(sources) as watched:
        assert watched.session.state is S.STARTING or watched.session.latest()
        watched.wait_state(S.RUNNING)
        wait_for(lambda: watched.session.latest().index > 5)
        result = watched.session.latest()
        assert len(result.poses) == 1
        assert result.frame.width == 64
        assert result.latency_ms >= 0
        assert {"wait", "network"} <= result.times.ms.keys()
        assert watched.session.source_info().live
    assert watched.session.state is S.IDLE
    assert watched.states() == [S.STARTING, S.RUNNING, S.STOPPING, S.IDLE]
    assert sources.open_count() == 0
    assert own_threads() == []


def test_a_session_can_be_started_again():
    with Watched(Sources(camera=camera())) as watched:
        for _ in range(3):
            watched.wait_state(S.RUNNING)
            watched.session.stop()
            assert watched.session.state is S.IDLE
            watched.session.start()
        with pytest.raises(UsageError, match="Stop it"):
            watched.session.start()


def test_networks_of_all_runs_share_their_threads():
    with Watched(Sources(camera=camera())) as watched:
        watched.wait_state(S.RUNNING)
        watched.session.stop()
        kept = {t.name for t in threading.enumerate() if "litepose-network" in t.name}
        watched.session.start()
        watched.wait_state(S.RUNNING)
        assert {t.name for t in threading.enumerate() if "litepose-network" in t.name} == kept


def test_a_slow_network_drops_frames_of_a_camera_and_takes_the_newest():
    with Watched(Sources(camera=camera(fps=400)), Networks(seconds=0.03)) as watched:
        wait_for(lambda: watched.session.latest() and watched.session.latest().index > 8)
        figures = watched.session.statistics()
        assert figures.dropped > figures.inferred
        assert abs(figures.captured - figures.inferred - figures.dropped) <= 3
        # In the mailbox no frame grows old.
        assert watched.session.latest().times.ms["wait"] < 1000 / 400 * 20


@pytest.mark.parametrize("seconds", [0.0, 0.005])
def test_a_file_loses_no_frame(seconds):
    sources = Sources(video=lambda settings: FakeVideo(settings, frames=40))
    networks = Networks(seconds=seconds)
    with Watched(sources, networks, source_settings=FAST) as watched:
        watched.wait_event(EventKind.ENDED)
        assert networks.made[0].estimated == list(range(40))
        assert watched.session.statistics().dropped == 0
        assert watched.session.state is S.PAUSED


def test_a_file_read_as_a_camera_keeps_its_own_time_and_drops_frames():
    sources = Sources(video=lambda settings: FakeVideo(settings, frames=60, fps=200))
    networks = Networks(seconds=0.03)
    with Watched(sources, networks, source_settings=REAL_TIME, file_mode=FileMode.AS_CAMERA) as watched:
        watched.wait_event(EventKind.ENDED)
        assert watched.session.statistics().dropped > 10
        assert networks.made[0].estimated[-1] == 59


def test_a_file_can_be_paused_stepped_sought_and_resumed():
    sources = Sources(video=lambda settings: FakeVideo(settings, frames=100000, fps=100))
    with Watched(sources, source_settings=REAL_TIME) as watched:
        session = watched.session
        watched.wait_state(S.RUNNING)
        session.pause()
        watched.wait_state(S.PAUSED)
        time.sleep(0.1)
        standing = session.latest().frame.index
        time.sleep(0.1)
        assert session.latest().frame.index == standing
        session.step()
        wait_for(lambda: session.latest().frame.index == standing + 1)
        session.seek(30.0)
        wait_for(lambda: session.latest().frame.media_s == 30.0)
        session.step(2)
        wait_for(lambda: session.latest().frame.index == 3002)
        session.resume()
        watched.wait_state(S.RUNNING)
        wait_for(lambda: session.latest().frame.index > 3010)
        times = session.latest().time_s
        assert times < 30, "the session's own time does not jump with a seek"


def test_a_file_that_ended_can_be_played_again():
    sources = Sources(video=lambda settings: FakeVideo(settings, frames=5))
    with Watched(sources, source_settings=FAST) as watched:
        watched.wait_event(EventKind.ENDED)
        before = watched.session.latest().time_s
        watched.session.resume()
        watched.wait_event(EventKind.ENDED, 2)
        assert watched.session.latest().index == 9
        assert watched.session.latest().time_s > before


def test_speed_changes_how_fast_a_file_plays():
    sources = Sources(video=lambda settings: FakeVideo(settings, frames=100000, fps=20))
    with Watched(sources, source_settings=REAL_TIME) as watched:
        watched.wait_state(S.RUNNING)
        watched.session.set_speed(20)
        # 200 frames at their own speed would be the whole patience of a test.
        wait_for(lambda: watched.session.latest().frame.index > 200)
        with pytest.raises(UsageError, match="not 0"):
            watched.session.set_speed(0)


def test_a_camera_can_be_neither_paused_nor_sought():
    with Watched(Sources(camera=camera())) as watched:
        watched.wait_state(S.RUNNING)
        for ask in (watched.session.pause, watched.session.resume, lambda: watched.session.seek(1)):
            with pytest.raises(UsageError, match="Only files"):
                ask()


def test_a_source_that_cannot_be_opened_fails_with_its_own_sentence():
    def busy(settings):
        raise SourceError("Camera “x” is in use.")

    with Watched(Sources(camera=busy)) as watched:
        watched.wait_state(S.FAILED)
        assert watched.wait_event(EventKind.FAILURE).text == "Camera “x” is in use."
        watched.session.stop()
        assert watched.states() == [S.STARTING, S.FAILED, S.STOPPING, S.IDLE]


def test_a_failed_session_can_be_started_with_other_options():
    def missing(settings):
        raise SourceError("There is none.")

    sources = Sources(camera=missing, other=camera())
    with Watched(sources) as watched:
        watched.wait_state(S.FAILED)
        watched.session.start(LiveOptions(source="other"))
        watched.wait_state(S.RUNNING)


def test_a_source_without_a_single_picture_fails():
    with Watched(Sources(video=lambda settings: FakeVideo(settings, frames=0))) as watched:
        assert "no pictures" in watched.wait_event(EventKind.FAILURE).text


def test_a_file_that_is_cut_off_gives_what_it_has_and_says_so():
    def script(source):
        yield from [(64, 48)] * 3
        yield SourceError("It is cut off.")

    cut = lambda settings: FakeSource(script, settings, live=False)  # noqa: E731
    with Watched(Sources(video=cut), source_settings=FAST) as watched:
        watched.wait_event(EventKind.ENDED)
        assert watched.texts(EventKind.WARNING) == ["It is cut off."]
        assert watched.session.latest().index == 2


def test_unknown_weights_fail_with_their_own_sentence():
    networks = Networks()
    networks.errors["xs"] = WeightsError("No weights.")
    with Watched(Sources(camera=camera()), networks) as watched:
        assert watched.wait_event(EventKind.FAILURE).text == "No weights."
        assert watched.session.state is S.FAILED


def test_an_error_in_the_network_ends_the_session_with_its_traceback():
    networks = Networks()
    with Watched(Sources(camera=camera()), networks) as watched:
        watched.wait_state(S.RUNNING)
        networks.made[0].estimate_error = ZeroDivisionError("a bug")
        event = watched.wait_event(EventKind.FAILURE)
        assert "ZeroDivisionError: a bug" in event.text
        assert "Traceback" in event.details
        wait_for(lambda: not own_threads(), "the end of all threads of a failed session")


def broken(*faults, then=(64, 48), before=3):
    """A script whose first openings give a few frames and then one fault each; afterwards all is well."""
    remaining = list(faults)

    def script(source):
        yield from [then] * before
        if remaining:
            yield remaining.pop(0)
            return
        while True:
            yield then

    return script


@pytest.mark.parametrize(
    "fault",
    [SourceError("It was unplugged."), ValueError("nonsense from a driver"), 1000.0, 0],
    ids=["disconnected", "throws", "stalls", "ends"],
)
def test_a_lost_camera_comes_back_by_itself(fault):
    script = broken(fault)
    sources = Sources(camera=lambda settings: FakeSource(script, settings))
    with Watched(sources) as watched:
        lost = watched.wait_event(EventKind.LOST)
        assert "Trying to reconnect" in lost.text
        assert lost.state is S.RECONNECTING
        watched.wait_state(S.RUNNING)
        wait_for(lambda: watched.session.statistics().reconnects == 1)
        index = watched.session.latest().index
        wait_for(lambda: watched.session.latest().index > index + 5)
    assert watched.states() == [S.STARTING, S.RUNNING, S.RECONNECTING, S.RUNNING, S.STOPPING, S.IDLE]
    assert sources.open_count() == 0


def test_a_camera_is_opened_again_until_it_is_there_and_says_why_only_once():
    missing = [SourceError("It is not there.")] * 3

    def plug():
        if len(sources.made) > 1 and missing:
            raise missing.pop()

    script = broken(SourceError("It was unplugged."))
    sources = Sources(camera=lambda settings: FakeSource(script, settings, on_open=plug))
    with Watched(sources) as watched:
        wait_for(lambda: watched.session.statistics().reconnects == 1)
        assert watched.texts(EventKind.LOST) == [
            "It was unplugged. Trying to reconnect.",
            "It is not there. Trying to reconnect.",
        ]
        assert len(sources.made) == 5


def test_without_reconnecting_a_lost_camera_ends_the_session():
    sources = Sources(camera=lambda settings: FakeSource(broken(SourceError("Gone.")), settings))
    with Watched(sources, reconnect=False) as watched:
        assert watched.wait_event(EventKind.FAILURE).text == "Gone."


def test_time_goes_on_over_a_reconnection():
    script = broken(SourceError("Gone."))
    with Watched(Sources(camera=lambda settings: FakeSource(script, settings))) as watched:
        watched.wait_event(EventKind.LOST)
        before = watched.session.latest()
        watched.wait_state(S.RUNNING)
        wait_for(lambda: watched.session.latest().index > before.index + 3)
        after = watched.session.latest()
        elapsed_s = (after.frame.captured_ns - before.frame.captured_ns) / 1e9
        assert after.time_s - before.time_s == pytest.approx(elapsed_s, abs=0.05)


def test_a_changing_resolution_is_followed():
    def script(source):
        for size in [(64, 48), (48, 64), (64, 64), (100, 40)] * 3:
            yield from [size] * 5
        while True:
            yield (64, 48)

    with Watched(Sources(camera=lambda settings: FakeSource(script, settings)), Networks()) as watched:
        wait_for(lambda: watched.session.latest() and watched.session.latest().frame.index > 65)
        assert watched.texts(EventKind.FAILURE) == []
        assert watched.session.state in (S.RUNNING, S.SWITCHING)


def test_frames_without_pixels_are_left_out_and_counted():
    def script(source):
        while True:
            yield (64, 48)
            yield (0, 0)

    with Watched(Sources(camera=lambda settings: FakeSource(script, settings))) as watched:
        wait_for(lambda: watched.session.latest() and watched.session.latest().index > 5)
        assert watched.session.statistics().damaged > 2


def test_a_size_is_loaded_beside_the_running_one_and_then_takes_over():
    networks = Networks()
    with Watched(Sources(camera=camera()), networks) as watched:
        watched.wait_state(S.RUNNING)
        networks.hold.clear()
        watched.session.switch_size("s")
        watched.wait_state(S.SWITCHING)
        index = watched.session.latest().index
        wait_for(lambda: watched.session.latest().index > index + 5, "results of the old size while the new one loads")
        assert watched.session.options.size == "xs"
        networks.hold.set()
        assert watched.wait_event(EventKind.SIZE).text == "s"
        watched.wait_state(S.RUNNING)
        wait_for(lambda: len(networks.made[1].estimated) > 3)
        assert watched.session.options.size == "s"


@pytest.mark.parametrize("stage", ["load", "prepare"])
def test_a_size_that_fails_leaves_the_old_one_running_and_says_why(stage):
    networks = Networks()
    (networks.errors if stage == "load" else networks.prepare_errors)["s"] = CompilerError("It does not fit.")
    with Watched(Sources(camera=camera()), networks) as watched:
        watched.wait_state(S.RUNNING)
        watched.session.switch_size("s")
        assert watched.wait_event(EventKind.WARNING).text == "It does not fit. The size before s stays."
        watched.wait_state(S.RUNNING)
        index = watched.session.latest().index
        wait_for(lambda: watched.session.latest().index > index + 5)
        assert watched.session.options.size == "xs"


def test_the_last_of_several_sizes_wins():
    networks = Networks()
    with Watched(Sources(camera=camera()), networks) as watched:
        watched.wait_state(S.RUNNING)
        networks.hold.clear()
        for size in ("s", "m", "l"):
            watched.session.switch_size(size)
        networks.hold.set()
        wait_for(lambda: watched.session.options.size == "l")
        watched.wait_state(S.RUNNING)
        assert watched.texts(EventKind.SIZE)[-1] == "l"


def test_a_size_switched_while_paused_shows_on_the_standing_picture():
    networks = Networks()
    sources = Sources(video=lambda settings: FakeVideo(settings, frames=100000))
    with Watched(sources, networks, source_settings=REAL_TIME) as watched:
        watched.wait_state(S.RUNNING)
        watched.session.pause()
        time.sleep(0.1)
        standing = watched.session.latest()
        watched.session.switch_size("s")
        wait_for(lambda: len(networks.made) == 2 and networks.made[1].estimated)
        wait_for(lambda: watched.session.latest().again)
        assert watched.session.latest().frame.index == standing.frame.index
        assert watched.session.latest().time_s == standing.time_s
        watched.wait_state(S.PAUSED)


def test_thresholds_hold_from_the_next_frame_on_and_over_a_change_of_size():
    networks = Networks()
    with Watched(Sources(camera=camera()), networks) as watched:
        watched.wait_state(S.RUNNING)
        published = networks.made[0].settings.person_threshold
        watched.session.set_thresholds(joint=0.4, max_people=2)
        wait_for(lambda: networks.made[0].settings.joint_threshold == 0.4)
        watched.session.switch_size("s")
        watched.wait_event(EventKind.SIZE)
        assert networks.made[1].settings.joint_threshold == 0.4
        assert networks.made[1].settings.person_threshold == published
        assert networks.made[1].settings.max_people == 2
        watched.session.set_thresholds(confidence=1.0)
        wait_for(lambda: networks.made[1].settings.person_threshold == 1.0)
        watched.session.set_thresholds(confidence=USUAL_CONFIDENCE)
        wait_for(lambda: networks.made[1].settings.person_threshold == published)
        with pytest.raises(UsageError, match="one person"):
            watched.session.set_thresholds(max_people=0)
        with pytest.raises(UsageError, match="between 0 and 1"):
            watched.session.set_thresholds(confidence=1.5)


def test_a_source_is_switched_when_the_new_one_gives_its_first_frame():
    sources = Sources(first=camera((64, 48)), second=camera((80, 40)))
    with Watched(sources) as watched:
        watched.wait_state(S.RUNNING)
        watched.session.switch_source("second")
        wait_for(lambda: watched.session.latest().frame.width == 80)
        watched.wait_state(S.RUNNING)
        assert watched.session.options.source == "second"
        wait_for(lambda: sources.open_count() == 1, "the old source closed")


def test_a_source_that_cannot_be_opened_leaves_the_old_one_and_says_why():
    def missing(settings):
        raise SourceError("There is no second one.")

    with Watched(Sources(first=camera(), second=missing)) as watched:
        watched.wait_state(S.RUNNING)
        watched.session.switch_source("second")
        assert "There is no second one. The source before it stays." in watched.wait_event(EventKind.WARNING).text
        watched.wait_state(S.RUNNING)
        index = watched.session.latest().index
        wait_for(lambda: watched.session.latest().index > index + 3)
        assert watched.session.options.source == "first"


def test_a_new_source_plays_though_the_one_before_it_was_paused():
    sources = Sources(
        first=lambda settings: FakeVideo(settings, frames=100000),
        second=lambda settings: FakeVideo(settings, frames=100000),
    )
    with Watched(sources, source_settings=REAL_TIME) as watched:
        watched.wait_state(S.RUNNING)
        watched.session.pause()
        watched.wait_state(S.PAUSED)
        watched.session.switch_source("second")
        wait_for(lambda: watched.session.options.source == "second")
        watched.wait_state(S.RUNNING)
        index = watched.session.latest().index
        wait_for(lambda: watched.session.latest().index > index + 5)


@pytest.mark.parametrize("second_works", [True, False])
def test_the_first_source_can_be_exchanged_before_it_has_opened(second_works):
    hangs = threading.Event()

    def missing(settings):
        raise SourceError("There is no second one.")

    sources = Sources(
        first=lambda settings: FakeSource(endless(), settings, on_open=lambda: hangs.wait(5)),
        second=camera() if second_works else missing,
    )
    with Watched(sources) as watched:
        wait_for(lambda: sources.made)
        watched.session.switch_source("second")
        watched.wait_state(S.RUNNING if second_works else S.FAILED)
        hangs.set()
        if not second_works:
            assert watched.wait_event(EventKind.FAILURE).text == "There is no second one."


def test_the_same_camera_is_closed_before_it_is_opened_with_other_settings():
    busy = []

    def claim():
        assert not busy, "the device was opened twice"
        busy.append(True)

    class Exclusive(FakeSource):
        def close(self):
            if self.is_open:
                busy.pop()
            super().close()

    sources = Sources(camera=lambda settings: Exclusive(endless(), settings, on_open=claim))
    with Watched(sources) as watched:
        watched.wait_state(S.RUNNING)
        watched.session.switch_source("camera", SourceSettings(mirror=True))
        wait_for(lambda: watched.session.options.source_settings.mirror)
        watched.wait_state(S.RUNNING)
        assert watched.texts(EventKind.WARNING) == []


def test_a_missing_network_is_built_beside_the_loop():
    built, asked = [], []

    class Cached(Networks):
        def __call__(self, size, **keywords):
            estimator = super().__call__(size, **keywords)
            estimator.built = built
            return estimator

    def build(order, progress, cancelled):
        asked.append(order)
        progress(f"Building {order.size}")
        built.append((order.size, order.width, order.height))

    events = []
    session = LiveSession(
        LiveOptions(source="camera"),
        events.append,
        source_factory=Sources(camera=camera()),
        estimator_factory=Cached(),
        build=build,
    )
    with session:
        wait_for(lambda: session.state is S.RUNNING)
        assert [(order.size, order.width, order.height) for order in asked] == [("xs", 64, 48)]
        assert "Building xs" in [event.text for event in events if event.kind is EventKind.PROGRESS]


@pytest.mark.parametrize("when", ["starting", "opening", "running", "stalled", "paused", "switching", "reconnecting"])
def test_stopping_takes_no_longer_than_promised(when):
    networks = Networks()
    hangs = threading.Event()

    def hang():
        hangs.wait(1000)

    def unplugged(settings):
        raise SourceError("Not there.")

    def gone(source):
        yield (64, 48)
        sources.makers["gone"] = unplugged
        yield SourceError("Gone.")

    def stalls(source):
        yield (64, 48)
        yield 3.0

    sources = Sources(
        camera=camera(),
        hanging=lambda settings: FakeSource(endless(), settings, on_open=hang),
        stalls=lambda settings: FakeSource(stalls, settings, obeys=False),
        gone=lambda settings: FakeSource(gone, settings),
        video=lambda settings: FakeVideo(settings, frames=100000),
    )
    names = {"opening": "hanging", "stalled": "stalls", "paused": "video", "reconnecting": "gone"}
    try:
        with Watched(sources, networks, source=names.get(when, "camera"), source_settings=REAL_TIME) as watched:
            if when == "starting":
                networks.hold.clear()
            elif when == "opening":
                wait_for(lambda: sources.made)
            else:
                watched.wait_state({"reconnecting": S.RECONNECTING, "stalled": S.RECONNECTING}.get(when, S.RUNNING))
            if when == "paused":
                watched.session.pause()
            if when == "switching":
                networks.hold.clear()
                watched.session.switch_size("s")
                watched.wait_state(S.SWITCHING)
            started = time.monotonic()
            watched.session.stop(timeout_s=0.5)
            assert time.monotonic() - started < 1.5
            assert watched.session.state is S.IDLE
            watched.session.stop()
            watched.session.start(LiveOptions(source="camera"))
            networks.hold.set()
            watched.wait_state(S.RUNNING)
    finally:
        hangs.set()
        networks.hold.set()


def test_a_listener_may_stop_the_session_and_may_fail():
    sources = Sources(camera=camera())
    heard = []

    def listener(event):
        heard.append(event)
        if event.state is S.RUNNING:
            session.stop()
            raise RuntimeError("a listener's own fault")

    session = LiveSession(LiveOptions(source="camera"), listener, source_factory=sources, estimator_factory=Networks())
    session.start()
    wait_for(lambda: session.state is S.IDLE and sources.open_count() == 0)


def test_the_painter_reports_what_it_has_painted():
    with Watched(Sources(camera=camera())) as watched:
        watched.wait_state(S.RUNNING)
        assert watched.session.statistics().capture_to_paint is None
        for _ in range(3):
            watched.session.painted(watched.session.latest_frame())
        figures = watched.session.statistics()
        assert figures.capture_to_paint.count == 3
        assert figures.capture_to_paint.p50 >= 0


def test_frames_are_handed_on_as_they_are():
    with Watched(Sources(camera=camera())) as watched:
        wait_for(lambda: watched.session.latest() and watched.session.latest().index > 5)
        frame = watched.session.latest().frame
        assert np.all(frame.image == frame.index % 256)
