"""`main.py live`: the live loop without a window: a status line, recordings, streams."""

import argparse
import json
import logging
import queue
import shutil
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from engine.commands.device_option import add_device_argument, add_precision_argument
from engine.commands.overlays import add_overlay_arguments, drawing_settings
from engine.commands.plain_window import PlainWindow, expect_screen
from engine.errors import LitePoseError, SinkError, UsageError
from engine.live import Event, EventKind, FileMode, LiveOptions, LiveSession, Picture, RecordingOptions, SessionState
from engine.live.composition import picture_of
from engine.sources import SourceSettings, find_cameras
from engine.statistics import Statistics, statistics_lines

logger = logging.getLogger(__name__)

STATUS_S = 0.2
SHOW_S = 0.015
# Files are finished however long a slow disk takes, within reason.
FINISH_S = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--source", help="camera by name or number, video, folder, address, “demo” (default: the first camera, or demo)"
    )
    parser.add_argument("--size", default="xs", help="xs, s, m, l, or a weights file (default: xs)")
    parser.add_argument(
        "--seconds", type=float, metavar="N", help="stop so long after the first result (default: Ctrl-C, or the end)"
    )
    parser.add_argument("--show", action="store_true", help="show the picture in a plain window")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here at the end")
    parser.add_argument("--threads", type=int, metavar="N", help="worker threads (default: this machine's cores)")
    add_device_argument(parser)
    add_precision_argument(parser)
    parser.add_argument("--input", default="auto", metavar="SHAPE", help="auto, square or WxH (default: auto)")
    parser.add_argument("--threshold", type=float, metavar="T", help="lowest joint score, 0 to 1")
    parser.add_argument("--no-tracking", action="store_true", help="no ids, no smoothing")
    parser.add_argument("--no-smoothing", action="store_true", help="joints as they were found")
    source = parser.add_argument_group("source")
    source.add_argument("--mirror", action="store_true", help="left and right swapped")
    source.add_argument("--rotate", type=int, default=0, metavar="DEGREES", help="clockwise: 90, 180 or 270")
    source.add_argument("--resolution", metavar="WxH", help="asked of a camera")
    source.add_argument("--rate", type=float, metavar="FPS", help="asked of a camera")
    source.add_argument(
        "--exposure", type=float, metavar="V", help="of a camera, in its own units (default: automatic)"
    )
    source.add_argument("--focus", type=float, metavar="V", help="of a camera, in its own units (default: automatic)")
    source.add_argument("--loop", action="store_true", help="files start again at their end")
    source.add_argument("--fast", action="store_true", help="files play as fast as they can be read")
    source.add_argument("--as-camera", action="store_true", help="files drop frames as a camera would")
    output = parser.add_argument_group("output")
    output.add_argument("--record", type=Path, metavar="FILE", help="video (.mp4), or a folder for it")
    output.add_argument("--picture", default="annotated", choices=("annotated", "raw", "both"), help="what is recorded")
    output.add_argument(
        "--keypoints", type=Path, metavar="FILE", help="as .jsonl, .json (COCO results), .csv, .dlc.csv"
    )
    output.add_argument("--mjpeg", type=int, nargs="?", const=0, metavar="PORT", help="pictures over HTTP, here only")
    output.add_argument("--websocket", type=int, nargs="?", const=0, metavar="PORT", help="keypoints for programs here")
    output.add_argument("--virtual-camera", action="store_true", help="a camera for Teams, Zoom and OBS")
    add_overlay_arguments(parser)


@dataclass(slots=True)
class Outcome:
    """What happened, for the summary and the report. lost: the source is away."""

    told: list[Event] = field(default_factory=list)
    saved: tuple[Path, ...] = ()
    failed: bool = False
    lost: bool = False


def main(args: argparse.Namespace) -> int:
    options = live_options(args)
    if args.seconds is not None and args.seconds <= 0:
        raise UsageError(f"--seconds must be above 0, not {args.seconds:g}.")
    if args.show:
        expect_screen("Leave --show out, or use --mjpeg to watch in a browser.")
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    session = LiveSession(options, events.put)
    outcome = Outcome()
    with ExitStack() as stack:
        _open_streams(session, args, stack)
        stack.callback(session.stop)
        started = time.monotonic()
        session.start()
        try:
            _watch(session, events, outcome, args)
        except KeyboardInterrupt:
            logger.info("stopped by the user")
        seconds, statistics = time.monotonic() - started, session.statistics()
        session.stop_recording(wait_s=FINISH_S)
        session.stop()
        _clear_line()
    while not events.empty():
        _tell(events.get(), outcome)
    if options.recording is not None:
        statistics = _with_recorded(statistics, session.statistics())
    _summarise(seconds, statistics, outcome)
    if args.json:
        _write(args.json, seconds, statistics, outcome, options)
    failure = next((event for event in outcome.told if event.kind is EventKind.FAILURE), None)
    if failure is not None:
        if failure.details:
            logger.error("%s", failure.details)
        raise LitePoseError(failure.text)
    if outcome.lost:
        raise LitePoseError("The source was lost and had not come back at the end.")
    return 1 if outcome.failed else 0


def live_options(args: argparse.Namespace) -> LiveOptions:
    """Raises UsageError."""
    if args.threads is not None and not 1 <= args.threads <= 256:
        raise UsageError(f"--threads must be from 1 to 256, not {args.threads}.")
    width, height = _resolution(args.resolution)
    recording = None
    if args.record or args.keypoints:
        recording = RecordingOptions(args.record, args.picture, args.keypoints or False)
    return LiveOptions(
        source=args.source or default_source(),
        source_settings=SourceSettings(
            rotate=args.rotate,
            mirror=args.mirror,
            real_time=not args.fast,
            loop=True if args.loop else None,
            width=width,
            height=height,
            fps=args.rate,
            exposure=args.exposure,
            focus=args.focus,
        ),
        size=args.size,
        input_mode=args.input,
        threads=args.threads,
        device=args.device,
        precision=args.precision,
        joint_threshold=args.threshold,
        tracking=not args.no_tracking,
        smoothing=not args.no_smoothing,
        file_mode=FileMode.AS_CAMERA if args.as_camera else FileMode.LOSS_FREE,
        drawing=drawing_settings(args),
        recording=recording,
    )


def default_source() -> str:
    """The first camera; the bundled clip where there is none."""
    return "camera" if find_cameras() else "demo"


def _resolution(text: str | None) -> tuple[int | None, int | None]:
    if text is None:
        return None, None
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise UsageError(f"--resolution “{text}” is not understood. Write it as 1280x720.")
    return int(width), int(height)


def _open_streams(session: LiveSession, args: argparse.Namespace, stack: ExitStack) -> None:
    if args.mjpeg is not None:
        from engine.streaming import MjpegServer

        pictures = stack.enter_context(MjpegServer(args.mjpeg))
        session.add_stream(pictures)
        print(f"pictures: {pictures.address}")
    if args.websocket is not None:
        from engine.streaming import KeypointServer

        keypoints = stack.enter_context(KeypointServer(args.websocket))
        session.add_stream(keypoints, Picture.NONE)
        print(f"keypoints: {keypoints.address}")
    if args.virtual_camera:
        from engine.streaming import VirtualCamera

        session.add_stream(stack.enter_context(VirtualCamera(args.rate)))
    sys.stdout.flush()


def _watch(
    session: LiveSession, events: "queue.SimpleQueue[Event]", outcome: Outcome, args: argparse.Namespace
) -> None:
    """Until the time is over, the source at its end, the recording or the session broken, or the window closed."""
    end_s = float("inf")
    window = PlainWindow() if args.show else None
    shown = -1
    while (now := time.monotonic()) < end_s:
        try:
            event = events.get(timeout=min(SHOW_S if args.show else STATUS_S, end_s - now))
        except queue.Empty:
            _show_status(session)
        else:
            _tell(event, outcome)
            ended = event.kind in (EventKind.ENDED, EventKind.FAILURE)
            recording_ended = event.kind is EventKind.RECORDING and not session.recording
            if ended or recording_ended:
                return
        result = session.latest()
        if result is not None and args.seconds and end_s == float("inf"):
            # Opening a camera and building a network do not count.
            end_s = time.monotonic() + args.seconds
        if window is not None and result is not None and result.index != shown:
            shown = result.index
            scene = picture_of(result, session.options.drawing, Picture.ANNOTATED)
            window.show(result.frame.image if scene is None else scene)
            session.painted(result.frame)
        if window is not None and window.closed():
            return


def _tell(event: Event, outcome: Outcome) -> None:
    if event.kind is EventKind.STATE:
        return
    outcome.told.append(event)
    outcome.failed |= event.kind is EventKind.WARNING
    if event.kind in (EventKind.LOST, EventKind.SOURCE):
        outcome.lost = event.kind is EventKind.LOST
    if event.kind is EventKind.RECORDING:
        outcome.saved = event.paths
    if event.kind is not EventKind.FAILURE and event.text:
        _clear_line()
        print(event.text, file=sys.stderr, flush=True)


def _show_status(session: LiveSession) -> None:
    """One line that the next one replaces; nothing where nobody watches."""
    if not sys.stderr.isatty():
        return
    parts = statistics_lines(session.statistics())
    if session.state is not SessionState.RUNNING:
        parts.insert(0, str(session.state))
    line = " · ".join(parts)
    width = shutil.get_terminal_size().columns - 1
    print(f"\r\033[K{line[:width]}", end="", file=sys.stderr, flush=True)


def _clear_line() -> None:
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)


def _with_recorded(statistics: Statistics, final: Statistics) -> Statistics:
    """The rates are those before the end; what was recorded is known after it."""
    return replace(statistics, recorded=final.recorded, recorder_dropped=final.recorder_dropped)


def _summarise(seconds: float, statistics: Statistics, outcome: Outcome) -> None:
    if statistics.inferred:
        frames = "1 frame" if statistics.inferred == 1 else f"{statistics.inferred} frames"
        print(f"{frames} in {seconds:.1f} s")
        for line in statistics_lines(statistics):
            print(f"  {line}")
    if outcome.saved:
        print("saved: " + ", ".join(str(path) for path in outcome.saved))


def _write(path: Path, seconds: float, statistics: Statistics, outcome: Outcome, options: LiveOptions) -> None:
    report: dict[str, Any] = {
        "source": options.source,
        "size": str(options.size),
        "seconds": round(seconds, 2),
        "figures": asdict(statistics),
        "events": [{"kind": event.kind, "text": event.text} for event in outcome.told],
        "saved": [str(path) for path in outcome.saved],
    }
    try:
        path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise SinkError(f"Cannot write the figures to “{path}”: {error.strerror}. Choose another place.") from error
