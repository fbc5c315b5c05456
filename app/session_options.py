"""From preferences to what the engine is asked for."""

from app.network_settings import asked
from app.preferences import Preferences
from engine.drawing import DrawingSettings
from engine.live import FileMode, LiveOptions
from engine.sources import SourceSettings


def source_settings(kept: Preferences) -> SourceSettings:
    """Files play at their own speed; a camera is asked for the format that the user chose."""
    camera = kept.camera
    return SourceSettings(
        real_time=True, width=camera.width or None, height=camera.height or None, fps=camera.rate or None
    )


def drawing_settings(kept: Preferences) -> DrawingSettings:
    """The overlays: on the screen, on recordings and on snapshots.

    One confidence for joints and people: who is shown is shown with joints that are as sure. They are left out only here,
    since a person is judged by all joints that were found.
    """
    on = kept.overlays
    return DrawingSettings(
        skeletons=on.skeleton,
        boxes=on.boxes,
        ids=on.ids,
        trails=on.trails,
        heatmap=on.heatmap,
        blur_faces=on.face_blur,
        privacy=on.privacy,
        joint_threshold=kept.inference.confidence,
    )


def live_options(kept: Preferences, source: str = "") -> LiveOptions:
    """source: instead of the one that is remembered.

    Files are read as cameras: what is on the screen keeps the file's speed, whatever the network's.
    """
    return LiveOptions(
        source=source or kept.source or "demo",
        source_settings=source_settings(kept),
        size=kept.inference.size,
        input_mode=kept.inference.input_mode,
        threads=kept.inference.threads or None,
        confidence=kept.inference.confidence,
        max_people=kept.inference.max_people,
        tracking=True,
        smoothing=kept.inference.smoothing,
        drawing=drawing_settings(kept),
        file_mode=FileMode.AS_CAMERA,
        **asked(kept.inference),
    )
