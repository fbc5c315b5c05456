"""LitePose in PyTorch (Wang et al., “Lite Pose”, CVPR 2022): for training and as the reference of the compiled network.

Modules are named as in the official code, so that `state_dict()` has the names of the official checkpoints.
"""

from typing import cast

from torch import Tensor, nn

from models.architecture import STEM_CHANNELS, Architecture, Block


class LitePose(nn.Module):
    """Single-branch backbone of inverted bottlenecks, fusion deconv head, two output heads.

    Takes (N, 3, H, W) float32 RGB, normalised by `models.normalisation`; H and W are multiples of 32. Gives two maps:
    (N, 2J, H/4, W/4), J heatmaps and then J associative-embedding tags, and (N, J, H/2, W/2), J finer heatmaps.
    """

    def __init__(self, architecture: Architecture, joints: int) -> None:
        super().__init__()
        features, deconv = architecture.feature_channels(), architecture.deconv
        outputs, kernel = (2 * joints, joints), architecture.head_kernel
        self.fusion = architecture.fusion
        self.first = nn.Sequential(
            _convolution(3, STEM_CHANNELS, 3, stride=2),
            _convolution(STEM_CHANNELS, STEM_CHANNELS, 3, groups=STEM_CHANNELS),
            *_convolution(STEM_CHANNELS, architecture.stem, 1, activation=False),
        )
        self.stage = nn.ModuleList(
            nn.Sequential(*(InvertedBottleneck(block) for block in blocks)) for blocks in architecture.blocks()
        )
        inputs = (features[4], deconv[0], deconv[1])
        self.deconv_refined = nn.ModuleList(_double(inputs[i], deconv[i]) for i in range(3))
        if self.fusion:
            self.deconv_raw = nn.ModuleList(_double(features[3 - i], deconv[i]) for i in range(3))
        self.deconv_bnrelu = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True)) for channels in deconv
        )
        self.final_refined = nn.ModuleList(SeparableHead(deconv[i + 1], outputs[i], kernel) for i in range(2))
        if self.fusion:
            self.final_raw = nn.ModuleList(SeparableHead(features[1 - i], outputs[i], kernel) for i in range(2))

    def forward(self, x: Tensor) -> list[Tensor]:
        features = [self.first(x)]
        for stage in self.stage:
            features.append(stage(features[-1]))
        refined, maps = features[4], []
        for i in range(3):
            y = self.deconv_refined[i](refined)
            if self.fusion:
                y = y + self.deconv_raw[i](features[3 - i])
            refined = self.deconv_bnrelu[i](y)
            if i:  # the first of the three, at stride 8, has no output
                y = self.final_refined[i - 1](refined)
                maps.append(y + self.final_raw[i - 1](features[2 - i]) if self.fusion else y)
        return maps


class InvertedBottleneck(nn.Module):
    def __init__(self, block: Block) -> None:
        super().__init__()
        self.inv = _convolution(block.inputs, block.middle, 1)
        self.depth_conv = _convolution(block.middle, block.middle, block.kernel, block.stride, groups=block.middle)
        self.point_conv = _convolution(block.middle, block.outputs, 1, activation=False)
        self.residual = block.residual

    def forward(self, x: Tensor) -> Tensor:
        y = cast(Tensor, self.point_conv(self.depth_conv(self.inv(x))))
        return x + y if self.residual else y


class SeparableHead(nn.Module):
    """Depthwise convolution with batch norm and ReLU, then 1×1 to the maps."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(inputs, inputs, kernel, padding=kernel // 2, groups=inputs, bias=False),
            nn.BatchNorm2d(inputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(inputs, outputs, 1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.conv(x))


def _convolution(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, activation: bool = True
) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, nn.ReLU6(inplace=True)) if activation else nn.Sequential(*layers)


def _double(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False)
