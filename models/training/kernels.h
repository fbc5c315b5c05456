// What Python calls besides the functions of kernels.cpp, all in float32.
#pragma once

#include <torch/extension.h>

#include <utility>
#include <vector>

// 1x1 convolution of maps (N, C, pixels) with a weight (M, C). -> (N, M, pixels)
torch::Tensor pointwise(torch::Tensor x, torch::Tensor weight);

// gradient: (N, M, pixels) of the output. -> (M, C)
torch::Tensor pointwise_weight_gradient(torch::Tensor gradient, torch::Tensor x);

// output: heatmaps (N, J, h, w) of a stride. people: (N, P, J, 3), ignored: (N, G, 4), and the loss: as in targets.heatmaps and
// losses.heatmap_loss. reach: of unsure joints, as a share of the person and in input pixels at least. clear: a target that
// counts even where something is hidden. -> loss, gradient of the output
std::vector<torch::Tensor> heatmap_loss(torch::Tensor output, torch::Tensor people, torch::Tensor ignored, double stride,
                                        double sigma, double joint_weight, std::pair<double, double> reach, double clear);
