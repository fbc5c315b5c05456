"""`main.py replay`: recorded keypoints drawn onto their video again, with other overlays."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from engine.commands.overlays import add_overlay_arguments, drawing_settings
from engine.commands.plain_window import PlainWindow, expect_screen
from engine.drawing import Trails, draw
from engine.errors import SourceError
from engine.keypoint_files import FrameRecord, read_keypoints, skeleton_of
from engine.sinks import VideoRecorder
from engine.sources import SourceSettings
from engine.sources.video_file import VideoFileSource
from engine.types import Poses
from models.skeleton import COCO_17, Skeleton

# Keypoints that are further from a frame than this belong to another one, however few there are.
FURTHEST_S = 0.3
# Times are rounded on their way into files.
ROUNDING_S = 0.002


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("video", type=Path, help="the video that the keypoints belong to")
    parser.add_argument("keypoints", type=Path, help="the .jsonl file that run or live wrote with it")
    parser.add_argument("--save", type=Path, metavar="FILE", help="video with the overlays (default: show it)")
    parser.add_argument("--min-score", type=float, default=0.0, metavar="T", help="leave out unsure joints")
    parser.add_argument("--overwrite", action="store_true", help="replace a video that exists")
    add_overlay_arguments(parser, without=("heatmap",))


def main(args: argparse.Namespace) -> int:
    if args.save is None:
        expect_screen("Give --save FILE for a video with the overlays.")
    skeleton = skeleton_of(read_keypoints(args.keypoints)) or COCO_17
    settings, trails = drawing_settings(args), Trails()
    matched = shown = 0
    source = VideoFileSource(args.video, SourceSettings(real_time=args.save is None))
    with ExitStack() as stack:
        stack.enter_context(source)
        recorder = window = None
        if args.save is not None:
            sound = args.video if source.has_audio else None
            recorder = VideoRecorder(args.save, fps_hint=source.fps, overwrite=args.overwrite, sound_from=sound)
            stack.enter_context(recorder)
        else:
            window = PlainWindow()
        bar = tqdm(total=source.frame_count, desc=args.video.name, unit="frame", disable=not sys.stderr.isatty())
        stack.enter_context(bar)
        records = Records(read_keypoints(args.keypoints))
        for frame in source:
            record = records.at(frame.media_s)
            poses = Poses.empty(skeleton)
            if record is not None:
                matched += 1
                try:
                    poses = sure_poses(record, skeleton, args.min_score)
                except ValueError as error:
                    raise SourceError(f"“{args.keypoints}” does not fit together: {error}.") from error
            scene = frame.image.copy()
            if settings.trails:
                trails.update(poses, scene, frame.media_s)
            draw(scene, poses, settings, trails=trails)
            if recorder is not None:
                recorder.write(frame, poses, scene)
            elif window is not None:
                window.show(scene)
                if window.closed():
                    break
            shown += 1
            bar.update()
    if not matched:
        raise SourceError(
            f"No keypoints of “{args.keypoints}” belong to a time of “{args.video}”. Give the video that they were recorded with."
        )
    print(f"{shown} frames, keypoints for {matched} of them" + (f"\nsaved: {args.save}" if args.save else ""))
    return 0


def sure_poses(record: FrameRecord, skeleton: Skeleton, min_score: float) -> Poses:
    """Without joints of a lower score. Raises ValueError where the number of joints is another."""
    poses = record.poses(skeleton)
    keypoints = np.where((poses.scores >= min_score)[..., None], poses.keypoints, np.nan).astype(np.float32)
    return replace(poses, keypoints=keypoints)


class Records:
    """Records in the order of their times, one after the other, so that hours of them need no memory."""

    def __init__(self, records: Iterable[FrameRecord]) -> None:
        self._records: Iterator[FrameRecord] = iter(records)
        self._before: FrameRecord | None = None
        self._after: FrameRecord | None = next(self._records, None)

    def at(self, time_s: float) -> FrameRecord | None:
        """The record nearest to a time; None where none belongs to it. Times must not go back."""
        while self._after is not None and self._after.time_s <= time_s:
            self._before, self._after = self._after, next(self._records, None)
        near = [record for record in (self._before, self._after) if record is not None]
        if not near:
            return None
        nearest = min(near, key=lambda record: abs(record.time_s - time_s))
        # Between two records, each frame belongs to the nearer one. Outside, only to one at its own time.
        gap_s = near[1].time_s - near[0].time_s if len(near) == 2 else 0.0
        reach_s = min(gap_s / 2, FURTHEST_S) + ROUNDING_S
        return nearest if abs(nearest.time_s - time_s) <= reach_s else None
