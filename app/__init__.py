"""The window: pictures, controls and statistics, and nothing that computes."""

import engine  # noqa: F401  sets what OpenCV reads when it is loaded, before the first import of it
