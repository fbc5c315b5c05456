// 1x1 convolutions of maps (N, C, H * W) in float32.
#pragma once

#include <torch/extension.h>

// weight: (M, C). -> (N, M, H * W)
torch::Tensor pointwise(torch::Tensor x, torch::Tensor weight);

// gradient: (N, M, H * W) of the output. -> (M, C)
torch::Tensor pointwise_weight_gradient(torch::Tensor gradient, torch::Tensor x);
