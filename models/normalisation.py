"""What the network expects of its input: RGB, ImageNet's mean subtracted and its deviation divided out. No torch."""

# ImageNet statistics of torchvision, times 255: they apply to uint8 values. In the order R, G, B.
MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
STD = (0.229 * 255, 0.224 * 255, 0.225 * 255)
