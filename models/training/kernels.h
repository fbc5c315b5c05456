// What Python calls. Only module.cpp includes PyTorch's bindings, and nothing all of its operators: both take many seconds to
// compile.
#pragma once

#include <ATen/core/Tensor.h>

#include <utility>
#include <vector>

using Limits = std::pair<double, double>;    // of an activation
using Parameters = std::vector<at::Tensor>;  // of a norm: scale, shift and running mean (forwards only)

// Depthwise convolution of x (N, C, H, W), H and W even where stride is 2, in float32 or bfloat16, with the norms and activations
// before and after it. That before it may be without parameters, and then is none. -> output, the convolution's result, the
// statistics of both norms.
std::vector<at::Tensor> depthwise(at::Tensor x, at::Tensor weight, int64_t stride, Parameters before, Limits before_limits,
                                  Parameters after, Limits after_limits, double epsilon);

// -> gradients of x (undefined unless needed), of the weight, and (2, C) each of the norms' scales and shifts.
std::vector<at::Tensor> depthwise_backward(at::Tensor gradient, at::Tensor x, at::Tensor z, at::Tensor weight, int64_t stride,
                                           Parameters before, Limits before_limits, at::Tensor first, Parameters after,
                                           Limits after_limits, at::Tensor second, bool needs_x);

// A norm alone, with the activation behind it. -> output, statistics.
std::vector<at::Tensor> norm(at::Tensor x, Parameters parameters, Limits limits, double epsilon);

// -> gradients of x, and (2, C) of scale and shift.
std::vector<at::Tensor> norm_backward(at::Tensor gradient, at::Tensor x, Parameters parameters, Limits limits,
                                      at::Tensor statistics);

// 1x1 convolution of maps (N, C, pixels) with a weight (M, C), all in float32. -> (N, M, pixels)
at::Tensor pointwise(at::Tensor x, at::Tensor weight);

// gradient: (N, M, pixels) of the output. -> (M, C)
at::Tensor pointwise_weight_gradient(at::Tensor gradient, at::Tensor x);

// output: heatmaps (N, J, h, w) of a stride, in float32. people: (N, P, J, 3), ignored: (N, G, 4), and the loss: as in
// targets.heatmaps and losses.heatmap_loss. reach: of unsure joints, as a share of the person and in input pixels at least.
// clear: a target that counts even where something is hidden. -> loss, gradient of the output
std::vector<at::Tensor> heatmap_loss(at::Tensor output, at::Tensor people, at::Tensor ignored, at::Tensor deviations,
                                     double stride, double joint_weight, std::pair<double, double> reach, double clear);
