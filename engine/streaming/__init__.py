"""Results for other programs while they are new: pictures over HTTP, keypoints over a WebSocket, a virtual camera."""

from engine.streaming.mjpeg import MjpegServer
from engine.streaming.virtual_camera import VirtualCamera
from engine.streaming.websocket import KeypointServer

__all__ = ["KeypointServer", "MjpegServer", "VirtualCamera"]
