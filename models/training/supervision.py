"""Heatmaps that deep layers have to tell by themselves while a network is trained; they are thrown away afterwards."""

from typing import NamedTuple, cast

from torch import Tensor, nn

from models.litepose import LitePose


class Place(NamedTuple):
    """Where heatmaps are read: an index into `LitePose.features`, its stride, and the loss's factor, which makes up for
    Gaussians that fill more of a coarser map."""

    feature: int
    stride: int
    factor: float


PLACES = (Place(4, 16, 0.3), Place(5, 8, 1.0))  # the last stage, and the first step of the deconv head
SIGMA = 1.0  # of the Gaussians, in each map's pixels


class Supervised(nn.Module):
    """A network with 1×1 convolutions to J heatmaps at PLACES, where `deep` (deep supervision: Lee et al., AISTATS 2015).

    The fusion head also reads the shallow features, which learn first, and can then do without the deep ones: of weights
    trained so on 600,000 views, all but the first block of the last stage could be left out for no more loss. Gives the two
    maps of the network, and (N, J, H/s, W/s) for each place's stride s.
    """

    def __init__(self, network: LitePose, joints: int, deep: bool) -> None:
        super().__init__()
        self.network = network
        channels = (cast(nn.ConvTranspose2d, network.deconv_refined[i]).in_channels for i in range(len(PLACES)))
        self.deep = nn.ModuleList(nn.Conv2d(count, joints, 1) for count in channels if deep)
        for weight in self.deep.parameters():  # start at zero: the targets nearly are
            nn.init.zeros_(weight)

    def forward(self, x: Tensor) -> list[Tensor]:
        features = self.network.features(x)
        return [
            *self.network.maps(features),
            *(head(features[place.feature]) for head, place in zip(self.deep, PLACES)),
        ]
