"""Names and shapes of a LitePose network's parameters, as in the official checkpoints. No torch."""

from models.architecture import STEM_CHANNELS, Architecture

Shapes = dict[str, tuple[int, ...]]
LAST = "final_refined.1.conv.3.weight"  # its first axis is the number of joints, whatever the architecture


def expected_shapes(architecture: Architecture, joints: int) -> Shapes:
    """Every parameter and batch-norm statistic by its official name, in the order of the network's `state_dict()`.

    Convolutions are (outputs, inputs per group, k, k), transposed ones (inputs, outputs, 4, 4). The counters
    `num_batches_tracked` of the official files are no part of it.
    """
    shapes: Shapes = {}
    shapes["first.0.0.weight"] = (STEM_CHANNELS, 3, 3, 3)
    shapes |= _batch_norm("first.0.1", STEM_CHANNELS)
    shapes["first.1.0.weight"] = (STEM_CHANNELS, 1, 3, 3)
    shapes |= _batch_norm("first.1.1", STEM_CHANNELS)
    shapes["first.2.weight"] = (architecture.stem, STEM_CHANNELS, 1, 1)
    shapes |= _batch_norm("first.3", architecture.stem)
    for i, blocks in enumerate(architecture.blocks()):
        for j, block in enumerate(blocks):
            name = f"stage.{i}.{j}"
            shapes[f"{name}.inv.0.weight"] = (block.middle, block.inputs, 1, 1)
            shapes |= _batch_norm(f"{name}.inv.1", block.middle)
            shapes[f"{name}.depth_conv.0.weight"] = (block.middle, 1, block.kernel, block.kernel)
            shapes |= _batch_norm(f"{name}.depth_conv.1", block.middle)
            shapes[f"{name}.point_conv.0.weight"] = (block.outputs, block.middle, 1, 1)
            shapes |= _batch_norm(f"{name}.point_conv.1", block.outputs)
    features, deconv = architecture.feature_channels(), architecture.deconv
    inputs = (features[4], deconv[0], deconv[1])
    for i in range(3):
        shapes[f"deconv_refined.{i}.weight"] = (inputs[i], deconv[i], 4, 4)
    if architecture.fusion:
        for i in range(3):
            shapes[f"deconv_raw.{i}.weight"] = (features[3 - i], deconv[i], 4, 4)
    for i in range(3):
        shapes |= _batch_norm(f"deconv_bnrelu.{i}.0", deconv[i])
    outputs = (2 * joints, joints)
    for i in range(2):
        shapes |= _head(f"final_refined.{i}", deconv[i + 1], outputs[i], architecture.head_kernel)
    if architecture.fusion:
        for i in range(2):
            shapes |= _head(f"final_raw.{i}", features[1 - i], outputs[i], architecture.head_kernel)
    return shapes


def _batch_norm(name: str, channels: int) -> Shapes:
    return {f"{name}.{part}": (channels,) for part in ("weight", "bias", "running_mean", "running_var")}


def _head(name: str, inputs: int, outputs: int, kernel: int) -> Shapes:
    shapes: Shapes = {f"{name}.conv.0.weight": (inputs, 1, kernel, kernel)}
    shapes |= _batch_norm(f"{name}.conv.1", inputs)
    shapes[f"{name}.conv.3.weight"] = (outputs, inputs, 1, 1)
    return shapes
