// The loss of heatmaps and its gradient in one pass, one plane at a time: target and mask never leave a core's cache.

#include "kernels.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/scalar_tensor.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace {

enum State { ABSENT, UNSURE, LABELLED };  // as in annotations.py
constexpr double FARTHEST = 6;            // standard deviations at which a Gaussian ends: e to the power of -18

// The maps' pixels along one axis: where their centres are, in input pixels.
struct Axis {
  int64_t count;
  float stride;

  float centre(int64_t i) const { return (i + 0.5f) * stride - 0.5f; }
  // Calls visit(i) for all centres that a test accepts.
  template <typename Test, typename Visit>
  void where(Test test, Visit visit) const {
    for (int64_t i = 0; i < count; i++)
      if (test(centre(i))) visit(i);
  }
};

// A plane of numbers, with what is drawn onto it.
struct Plane {
  Axis across, down;
  std::vector<float> values;

  Plane(Axis across, Axis down) : across(across), down(down), values(across.count * down.count) {}

  template <typename AcrossTest, typename DownTest>
  void cover(AcrossTest across_test, DownTest down_test) {
    down.where(down_test, [&](int64_t y) {
      across.where(across_test, [&](int64_t x) { values[y * across.count + x] = 1; });
    });
  }

  // The greater of what is there and a Gaussian.
  void raise(float x, float y, float deviation, std::vector<float>& scratch) {
    const auto near = [&](float from) { return [=](float centre) { return std::abs(centre - from) < FARTHEST * deviation; }; };
    const auto height = [&](float distance) { return std::exp(-distance * distance / (2 * deviation * deviation)); };
    int64_t first = across.count, last = 0;
    across.where(near(x), [&](int64_t i) {
      first = std::min(first, i);
      last = i + 1;
      scratch[i] = height(across.centre(i) - x);
    });
    down.where(near(y), [&](int64_t row) {
      const float scale = height(down.centre(row) - y);
      float* to = values.data() + row * across.count;
      for (int64_t i = first; i < last; i++) to[i] = std::max(to[i], scale * scratch[i]);
    });
  }
};

// How far around a person's unsure joints nothing is learned. joints: (J, 3) x, y, state.
float reach_of(const float* joints, int64_t count, std::pair<double, double> reach) {
  float extent = 0;
  for (int axis = 0; axis < 2; axis++) {
    float low = INFINITY, high = -INFINITY;
    for (int64_t j = 0; j < count; j++)
      if (joints[3 * j + 2] != ABSENT) {
        low = std::min(low, joints[3 * j + axis]);
        high = std::max(high, joints[3 * j + axis]);
      }
    extent = std::max(extent, high - low);
  }
  return std::max(static_cast<float>(reach.first) * extent, static_cast<float>(reach.second));
}

}  // namespace

std::vector<at::Tensor> heatmap_loss(at::Tensor output, at::Tensor people, at::Tensor ignored, at::Tensor deviations,
                                     double stride, double joint_weight, std::pair<double, double> reach, double clear) {
  output = output.contiguous();
  people = people.contiguous();
  deviations = deviations.contiguous();
  ignored = ignored.contiguous();
  const int64_t batch = output.size(0), joints = output.size(1), persons = people.size(1), boxes = ignored.size(1);
  const Axis across{output.size(3), static_cast<float>(stride)}, down{output.size(2), static_cast<float>(stride)};
  const int64_t length = across.count * down.count;
  const float weight = joint_weight, visible = clear;
  const float per_pixel = 1.0 / static_cast<double>(output.numel());
  auto gradient = at::empty_like(output);
  std::vector<double> losses(batch * joints);
  at::parallel_for(0, batch * joints, 1, [&](int64_t begin, int64_t end) {
    Plane in_boxes(across, down), hidden(across, down), target(across, down);
    std::vector<float> scratch(across.count);
    int64_t boxes_of = -1;  // the picture whose boxes are drawn
    for (int64_t task = begin; task < end; task++) {
      const int64_t n = task / joints, joint = task % joints;
      if (boxes_of != n) {
        boxes_of = n;
        std::fill(in_boxes.values.begin(), in_boxes.values.end(), 0.f);
        for (int64_t i = 0; i < boxes; i++) {
          const float* box = ignored.data_ptr<float>() + (n * boxes + i) * 4;
          in_boxes.cover([&](float x) { return x >= box[0] && x < box[2]; }, [&](float y) { return y >= box[1] && y < box[3]; });
        }
      }
      hidden.values = in_boxes.values;
      std::fill(target.values.begin(), target.values.end(), 0.f);
      for (int64_t person = 0; person < persons; person++) {
        const float* all = people.data_ptr<float>() + (n * persons + person) * joints * 3;
        const float x = all[3 * joint], y = all[3 * joint + 1], state = all[3 * joint + 2];
        const float deviation = deviations.data_ptr<float>()[(n * persons + person) * joints + joint];
        if (state == LABELLED) target.raise(x, y, deviation, scratch);
        if (state != UNSURE) continue;
        const float far = reach_of(all, joints, reach);
        hidden.cover([&](float at) { return std::abs(at - x) < far; }, [&](float at) { return std::abs(at - y) < far; });
      }
      const float *from = output.data_ptr<float>() + task * length, *goal = target.values.data(), *mask = hidden.values.data();
      float* to = gradient.data_ptr<float>() + task * length;
      double total = 0;
      for (int64_t row = 0; row < down.count; row++) {
        float sum = 0;
        for (int64_t i = row * across.count; i < (row + 1) * across.count; i++) {
          const float difference = from[i] - goal[i];
          const float factor = mask[i] == 0 || goal[i] > visible ? 1 + weight * goal[i] : 0.f;
          sum += difference * difference * factor;
          to[i] = 2 * per_pixel * difference * factor;
        }
        total += sum;
      }
      losses[task] = total;
    }
  });
  double total = 0;
  for (const double loss : losses) total += loss;
  return {at::scalar_tensor(total / static_cast<double>(output.numel()), output.options()), gradient};
}
