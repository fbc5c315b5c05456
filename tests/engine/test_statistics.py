"""Figures of a live session and how they read."""

import pytest

from engine.statistics import Quantiles, Series, Statistics, StatisticsCollector, statistics_lines

MS = 1_000_000
S = 1000 * MS


def test_quantiles_and_rate_are_of_the_last_seconds_only():
    series = Series()
    for frame in range(100):
        series.add(S + frame * 100 * MS, float(frame))
    now = S + 99 * 100 * MS
    quantiles = series.quantiles(now)
    assert quantiles.count == 51
    assert quantiles.p50 == pytest.approx(74)
    assert quantiles.p95 == pytest.approx(96.5)
    assert series.rate(now) == pytest.approx(10)


def test_the_rate_falls_when_nothing_comes_any_more():
    series = Series()
    for frame in range(20):
        series.add(S + frame * 100 * MS)
    last = S + 19 * 100 * MS
    assert series.rate(last + 50 * MS) == pytest.approx(10)
    assert series.rate(last + 2 * S) < 6
    assert series.rate(last + 6 * S) == 0


def test_too_few_values_have_no_rate_and_none_has_no_quantiles():
    series = Series()
    assert series.quantiles(S) is None
    series.add(S, 5.0)
    assert series.rate(S) == 0
    assert series.quantiles(S) == Quantiles(5.0, 5.0, 1)


def test_the_collector_counts_everything_once():
    collector = StatisticsCollector()
    for frame in range(10):
        now = S + frame * 50 * MS
        collector.captured(now)
        if frame % 2:
            collector.inferred({"wait": 1.0, "network": 10.0 + frame}, 20.0, people=frame, now_ns=now)
            collector.painted(30.0, now)
    collector.recorded(S)
    collector.recorded(S + 100 * MS)
    collector.damaged()
    collector.reconnected()
    figures = collector.figures(dropped=5, recorded=2, recorder_dropped=1, now_ns=S + 450 * MS)
    assert (figures.captured, figures.inferred, figures.dropped) == (10, 5, 5)
    assert (figures.recorded, figures.recorder_dropped, figures.damaged, figures.reconnects) == (2, 1, 1, 1)
    assert figures.people == 9
    assert list(figures.stages) == ["wait", "network"]
    assert figures.stages["network"].p50 == 15
    assert figures.capture_fps == pytest.approx(20)
    assert figures.inference_fps == pytest.approx(10)
    assert figures.capture_to_result == Quantiles(20, 20, 5)
    assert figures.capture_to_paint.p95 == 30
    collector.recording_stopped()
    assert collector.figures(now_ns=S + 450 * MS).recording_fps == 0


def test_a_new_session_reads_as_nothing_yet():
    assert statistics_lines(Statistics()) == ["0.0 FPS, camera 0.0", "0 people"]


def test_everything_that_was_measured_has_its_line():
    figures = Statistics(
        stages={"resize": Quantiles(1.23, 2, 9), "network": Quantiles(10.04, 12, 9)},
        capture_to_result=Quantiles(21.4, 30.2, 9),
        capture_to_paint=Quantiles(33, 41.6, 9),
        capture_fps=30,
        inference_fps=29.97,
        paint_fps=60,
        recording_fps=30,
        dropped=3,
        recorder_dropped=1,
        damaged=2,
        reconnects=2,
        people=1,
    )
    assert statistics_lines(figures) == [
        "30.0 FPS, camera 30.0, screen 60.0, recording 30.0",
        "1 person",
        "camera to result 21 ms, p95 30 ms",
        "camera to screen 33 ms, p95 42 ms",
        "resize 1.2, network 10.0 ms",
        "3 dropped, 1 lost by the recording, 2 damaged",
        "reconnected 2 times",
    ]
