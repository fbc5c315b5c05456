"""What runs on a board: an exported folder of compiled networks, with TVM's runtime, NumPy and OpenCV alone."""
