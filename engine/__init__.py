"""From a source of pictures to poses: plain Python, usable without the window."""

import os

# OpenCV reads these when it is loaded, so they stand before any import of it. What the user has set stays.
os.environ.setdefault("OPENCV_VIDEOIO_MSMF_ENABLE_HW_TRANSFORMS", "0")  # Else Media Foundation takes seconds to start.
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "3")  # Else a silent camera on Linux blocks for 10 s.
os.environ.setdefault(
    "OPENCV_AVFOUNDATION_SKIP_AUTH", "1"
)  # OpenCV may ask from the main thread only; we ask ourselves.
