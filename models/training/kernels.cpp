// Depthwise convolution and batch norm for training on CPU cores, NCHW float32.
//
// PyTorch spends nearly all of a LitePose training step in the weight gradient of the depthwise 7x7 convolutions. Here every
// plane is copied into a scratch with a margin of zeros, and all three passes are the same small correlation: a block of ROWS
// rows by one vector is held in registers, each loaded vector of the plane serves every row of the block, and no inner loop has
// a border case.

#include <ATen/Parallel.h>
#include <torch/extension.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

namespace {

#if defined(__AVX512F__)
constexpr int LANES = 16;
#else
constexpr int LANES = 8;
#endif
typedef float Lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float))));

inline Lanes load(const float* from) { return *reinterpret_cast<const Lanes*>(from); }
inline void store(float* to, Lanes value) { *reinterpret_cast<Lanes*>(to) = value; }
inline void store(float* to, Lanes value, int count) { std::memcpy(to, &value, count * sizeof(float)); }
inline Lanes all(float value) { return value - Lanes{}; }
inline float sum(Lanes value) {
  float total = 0;
  for (int lane = 0; lane < LANES; lane++) total += value[lane];
  return total;
}
inline int rounded_up(int length) { return (length + LANES - 1) / LANES * LANES; }

// A plane with `margin` zeros on every side, its columns dealt out to STRIDE planes in turn, so that the columns that
// neighbouring outputs read are neighbours in memory. Rows are long enough to read whole vectors past the last output.
template <int STRIDE>
struct Padded {
  int margin, width, height;
  std::vector<float> values;

  Padded(int rows, int columns, int margin)
      : margin(margin),
        width(rounded_up((columns + STRIDE - 1) / STRIDE) + 2 * margin + LANES),
        height(rows + 2 * margin),
        values(static_cast<size_t>(STRIDE) * width * height, 0.f) {}

  float* row(int phase, int y) { return values.data() + (static_cast<size_t>(phase) * height + y) * width; }

  void fill(const float* plane, int rows, int columns) {
    for (int y = 0; y < rows; y++) {
      const float* from = plane + static_cast<size_t>(y) * columns;
      if constexpr (STRIDE == 1) {
        std::memcpy(row(0, y + margin) + margin, from, columns * sizeof(float));
      } else {
        for (int phase = 0; phase < STRIDE; phase++) {
          float* to = row(phase, y + margin);
          const int first = ((phase - margin) % STRIDE + STRIDE) % STRIDE;
          for (int x = first; x < columns; x += STRIDE) to[(x + margin) / STRIDE] = from[x];
        }
      }
    }
  }
};

// ROWS output rows by one vector: out[y][x] = sum of weights[i][j] * plane[STRIDE * y + i + offset][STRIDE * x + j + offset],
// with an offset for STRIDE 1 only.
template <int KERNEL, int STRIDE, int ROWS>
inline void correlate_block(Padded<STRIDE>& plane, const float* weights, int offset, int y, int x, float* out, int pitch,
                            int count) {
  std::array<Lanes, ROWS> totals{};
  for (int j = 0; j < KERNEL; j++) {
    std::array<Lanes, KERNEL> column;
#pragma GCC unroll 16
    for (int i = 0; i < KERNEL; i++) column[i] = all(weights[i * KERNEL + j]);
    const float* from = plane.row(j % STRIDE, STRIDE * y + offset) + x + j / STRIDE + offset;
#pragma GCC unroll 32
    for (int q = 0; q < STRIDE * (ROWS - 1) + KERNEL; q++) {
      const Lanes value = load(from + q * plane.width);
#pragma GCC unroll 16
      for (int r = 0; r < ROWS; r++) {
        const int i = q - STRIDE * r;
        if (i >= 0 && i < KERNEL) totals[r] += column[i] * value;
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < ROWS; r++) {
    if (count >= LANES) {
      store(out + r * pitch, totals[r]);
    } else {
      store(out + r * pitch, totals[r], count);
    }
  }
}

template <int KERNEL, int STRIDE>
void correlate(Padded<STRIDE>& plane, const float* weights, int rows, int columns, float* out, int offset = 0) {
  int y = 0;
  const auto blocks = [&](auto size) {
    constexpr int ROWS = decltype(size)::value;
    for (; y + ROWS <= rows; y += ROWS)
      for (int x = 0; x < columns; x += LANES)
        correlate_block<KERNEL, STRIDE, ROWS>(plane, weights, offset, y, x, out + y * columns + x, columns, columns - x);
  };
  blocks(std::integral_constant<int, 8>{});
  blocks(std::integral_constant<int, 4>{});
  blocks(std::integral_constant<int, 2>{});
  blocks(std::integral_constant<int, 1>{});
}

// Adds to totals[i][j] the products of ROWS rows of the gradient with the plane, shifted by i and j. `gradient` is padded with
// its own margin; the zeros behind its rows make whole vectors safe.
template <int KERNEL, int STRIDE, int ROWS>
inline void weight_block(Padded<STRIDE>& plane, Padded<1>& gradient, int y, int x, Lanes* totals) {
  std::array<Lanes, ROWS> rows;
#pragma GCC unroll 16
  for (int r = 0; r < ROWS; r++) rows[r] = load(gradient.row(0, y + r + gradient.margin) + gradient.margin + x);
  for (int j = 0; j < KERNEL; j++) {
    std::array<Lanes, KERNEL> column;
#pragma GCC unroll 16
    for (int i = 0; i < KERNEL; i++) column[i] = totals[j * KERNEL + i];
    const float* from = plane.row(j % STRIDE, STRIDE * y) + x + j / STRIDE;
#pragma GCC unroll 32
    for (int q = 0; q < STRIDE * (ROWS - 1) + KERNEL; q++) {
      const Lanes value = load(from + q * plane.width);
#pragma GCC unroll 16
      for (int r = 0; r < ROWS; r++) {
        const int i = q - STRIDE * r;
        if (i >= 0 && i < KERNEL) column[i] += rows[r] * value;
      }
    }
#pragma GCC unroll 16
    for (int i = 0; i < KERNEL; i++) totals[j * KERNEL + i] = column[i];
  }
}

template <int KERNEL, int STRIDE>
void weight_gradient(Padded<STRIDE>& plane, Padded<1>& gradient, int rows, int columns, Lanes* totals) {
  int y = 0;
  const auto blocks = [&](auto size) {
    constexpr int ROWS = decltype(size)::value;
    for (; y + ROWS <= rows; y += ROWS)
      for (int x = 0; x < columns; x += LANES) weight_block<KERNEL, STRIDE, ROWS>(plane, gradient, y, x, totals);
  };
  blocks(std::integral_constant<int, 8>{});
  blocks(std::integral_constant<int, 4>{});
  blocks(std::integral_constant<int, 2>{});
  blocks(std::integral_constant<int, 1>{});
}

// Gradient of a stride-2 convolution's input. Every second row and column of it depends on every second tap only, so that it is
// four dense correlations with kernels of about half the side: input (2u + a, 2v + b) sees the taps i with a + margin - i even,
// at gradient row u + (a + margin - i) / 2.
template <int KERNEL>
struct HalfKernels {
  static constexpr int margin = KERNEL / 2;
  static constexpr int side = margin + 1;
  static constexpr int lowest = -(margin / 2);
  std::array<std::array<float, side * side>, 4> weights{};

  explicit HalfKernels(const float* full) {
    for (int a = 0; a < 2; a++)
      for (int b = 0; b < 2; b++)
        for (int s = 0; s < side; s++)
          for (int t = 0; t < side; t++) {
            const int i = a + margin - 2 * (s + lowest), j = b + margin - 2 * (t + lowest);
            if (i >= 0 && i < KERNEL && j >= 0 && j < KERNEL) weights[2 * a + b][s * side + t] = full[i * KERNEL + j];
          }
  }
};

template <int KERNEL>
torch::Tensor forward_of(const torch::Tensor& input, const torch::Tensor& weight, int stride) {
  const int channels = input.size(1), height = input.size(2), width = input.size(3), margin = KERNEL / 2;
  const int rows = (height - 1) / stride + 1, columns = (width - 1) / stride + 1;
  auto output = torch::empty({input.size(0), channels, rows, columns}, input.options());
  const float *from = input.data_ptr<float>(), *weights = weight.data_ptr<float>();
  float* to = output.data_ptr<float>();
  const auto run = [&](auto step) {
    constexpr int STRIDE = decltype(step)::value;
    at::parallel_for(0, input.size(0) * channels, 8, [&](int64_t begin, int64_t end) {
      Padded<STRIDE> plane(height, width, margin);
      for (int64_t n = begin; n < end; n++) {
        plane.fill(from + n * height * width, height, width);
        correlate<KERNEL, STRIDE>(plane, weights + n % channels * KERNEL * KERNEL, rows, columns, to + n * rows * columns);
      }
    });
  };
  stride == 1 ? run(std::integral_constant<int, 1>{}) : run(std::integral_constant<int, 2>{});
  return output;
}

template <int KERNEL>
std::vector<torch::Tensor> backward_of(const torch::Tensor& input, const torch::Tensor& weight, const torch::Tensor& gradient,
                                       int stride, bool needs_input) {
  const int batch = input.size(0), channels = input.size(1), height = input.size(2), width = input.size(3);
  const int rows = gradient.size(2), columns = gradient.size(3);
  constexpr int margin = KERNEL / 2;
  auto input_gradient = needs_input ? torch::empty_like(input) : torch::Tensor();
  auto weights_gradient = torch::empty_like(weight);
  const auto flipped = weight.flip({2, 3}).contiguous();
  const float *from = input.data_ptr<float>(), *slope = gradient.data_ptr<float>();
  const float *weights = weight.data_ptr<float>(), *reversed = flipped.data_ptr<float>();
  float* to = needs_input ? input_gradient.data_ptr<float>() : nullptr;
  float* to_weights = weights_gradient.data_ptr<float>();

  const auto run = [&](auto step) {
    constexpr int STRIDE = decltype(step)::value;
    at::parallel_for(0, channels, 1, [&](int64_t begin, int64_t end) {
      Padded<STRIDE> plane(height, width, margin);
      Padded<1> slopes(rows, columns, margin);
      std::vector<float> quarter(STRIDE == 2 ? rows * columns : 0);
      for (int64_t c = begin; c < end; c++) {
        std::array<Lanes, KERNEL * KERNEL> totals{};
        const HalfKernels<KERNEL> halves(weights + c * KERNEL * KERNEL);
        for (int n = 0; n < batch; n++) {
          const int64_t at = static_cast<int64_t>(n) * channels + c;
          plane.fill(from + at * height * width, height, width);
          slopes.fill(slope + at * rows * columns, rows, columns);
          weight_gradient<KERNEL, STRIDE>(plane, slopes, rows, columns, totals.data());
          if (!needs_input) continue;
          float* out = to + at * height * width;
          if constexpr (STRIDE == 1) {
            correlate<KERNEL, 1>(slopes, reversed + c * KERNEL * KERNEL, height, width, out);
          } else {
            constexpr int side = HalfKernels<KERNEL>::side, offset = margin + HalfKernels<KERNEL>::lowest;
            for (int phase = 0; phase < 4; phase++) {
              correlate<side, 1>(slopes, halves.weights[phase].data(), rows, columns, quarter.data(), offset);
              for (int y = 0; y < rows; y++)
                for (int x = 0; x < columns; x++)
                  out[(2 * y + phase / 2) * width + 2 * x + phase % 2] = quarter[y * columns + x];
            }
          }
        }
        for (int i = 0; i < KERNEL; i++)
          for (int j = 0; j < KERNEL; j++) to_weights[(c * KERNEL + i) * KERNEL + j] = sum(totals[j * KERNEL + i]);
      }
    });
  };
  stride == 1 ? run(std::integral_constant<int, 1>{}) : run(std::integral_constant<int, 2>{});
  return {input_gradient, weights_gradient};
}

// Batch norm with the batch's own statistics, then max(0, .) and min(., 6) where the layer after it is a ReLU or ReLU6.
enum Activation { NONE = 0, RELU = 1, RELU6 = 2 };

template <int ACTIVATION>
inline Lanes active(Lanes normalised, Lanes gradient) {
  const Lanes zero{};
  if constexpr (ACTIVATION == NONE) return gradient;
  const Lanes positive = normalised > zero ? gradient : zero;
  if constexpr (ACTIVATION == RELU) return positive;
  return normalised < all(6.f) ? positive : zero;
}

// Calls visit(vector of x, vector of y, place, number of valid lanes) along two rows; lanes past the end are 0 in both.
template <typename Visit>
inline void along(const float* x, const float* y, int64_t length, Visit visit) {
  int64_t at = 0;
  for (; at + LANES <= length; at += LANES) visit(load(x + at), load(y + at), at, LANES);
  if (at < length) {
    Lanes last_x{}, last_y{};
    std::memcpy(&last_x, x + at, (length - at) * sizeof(float));
    std::memcpy(&last_y, y + at, (length - at) * sizeof(float));
    visit(last_x, last_y, at, static_cast<int>(length - at));
  }
}

struct Channel {
  float mean, scale, shift, inverse;  // output = scale * x + shift; inverse: of the standard deviation
};

template <int ACTIVATION>
void norm_backward_of(const torch::Tensor& x, const torch::Tensor& g, const std::vector<Channel>& channels, torch::Tensor& dx,
                      torch::Tensor& dscale, torch::Tensor& dshift) {
  const int batch = x.size(0), count = x.size(1);
  const int64_t length = x.size(2) * x.size(3);
  const float *from = x.data_ptr<float>(), *slope = g.data_ptr<float>();
  float *to = dx.data_ptr<float>(), *to_scale = dscale.data_ptr<float>(), *to_shift = dshift.data_ptr<float>();
  at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; c++) {
      const Channel k = channels[c];
      const Lanes scale = all(k.scale), shift = all(k.shift), mean = all(k.mean);
      double plain = 0, weighted = 0;
      for (int n = 0; n < batch; n++) {
        const int64_t at = (static_cast<int64_t>(n) * count + c) * length;
        Lanes a{}, b{};
        along(from + at, slope + at, length, [&](Lanes value, Lanes gradient, int64_t, int) {
          const Lanes through = active<ACTIVATION>(value * scale + shift, gradient);
          a += through;
          b += through * (value - mean);
        });
        plain += sum(a);
        weighted += sum(b);
      }
      const double samples = static_cast<double>(batch) * length;
      to_shift[c] = plain;
      to_scale[c] = weighted * k.inverse;
      const Lanes mean_plain = all(plain / samples), slope_of_mean = all(weighted / samples * k.inverse * k.inverse);
      for (int n = 0; n < batch; n++) {
        const int64_t at = (static_cast<int64_t>(n) * count + c) * length;
        along(from + at, slope + at, length, [&](Lanes value, Lanes gradient, int64_t place, int lanes) {
          const Lanes through = active<ACTIVATION>(value * scale + shift, gradient);
          const Lanes result = scale * (through - mean_plain - (value - mean) * slope_of_mean);
          lanes == LANES ? store(to + at + place, result) : store(to + at + place, result, lanes);
        });
      }
    }
  });
}

std::vector<Channel> channels_of(const torch::Tensor& scale, const torch::Tensor& shift, const torch::Tensor& mean,
                                 const torch::Tensor& inverse) {
  const float *a = scale.data_ptr<float>(), *b = shift.data_ptr<float>(), *m = mean.data_ptr<float>(),
              *r = inverse.data_ptr<float>();
  std::vector<Channel> result(scale.numel());
  for (size_t c = 0; c < result.size(); c++) result[c] = {m[c], a[c] * r[c], b[c] - m[c] * a[c] * r[c], r[c]};
  return result;
}

}  // namespace

torch::Tensor depthwise(torch::Tensor input, torch::Tensor weight, int stride) {
  input = input.contiguous();
  weight = weight.contiguous();
  switch (weight.size(2)) {
    case 3: return forward_of<3>(input, weight, stride);
    case 5: return forward_of<5>(input, weight, stride);
    case 7: return forward_of<7>(input, weight, stride);
    default: return forward_of<9>(input, weight, stride);
  }
}

// -> gradients of the input (undefined unless needs_input) and of the weight.
std::vector<torch::Tensor> depthwise_backward(torch::Tensor input, torch::Tensor weight, torch::Tensor gradient, int stride,
                                              bool needs_input) {
  input = input.contiguous();
  weight = weight.contiguous();
  gradient = gradient.contiguous();
  switch (weight.size(2)) {
    case 3: return backward_of<3>(input, weight, gradient, stride, needs_input);
    case 5: return backward_of<5>(input, weight, gradient, stride, needs_input);
    case 7: return backward_of<7>(input, weight, gradient, stride, needs_input);
    default: return backward_of<9>(input, weight, gradient, stride, needs_input);
  }
}

// -> output, and per channel the mean, the inverse of the standard deviation, and the (biased) variance.
std::vector<torch::Tensor> norm(torch::Tensor x, torch::Tensor scale, torch::Tensor shift, double epsilon, int activation) {
  x = x.contiguous();
  const int batch = x.size(0), count = x.size(1);
  const int64_t length = x.size(2) * x.size(3);
  auto y = torch::empty_like(x);
  auto mean = torch::empty({count}, x.options()), inverse = torch::empty_like(mean), variance = torch::empty_like(mean);
  const float *from = x.data_ptr<float>(), *a = scale.data_ptr<float>(), *b = shift.data_ptr<float>();
  float *to = y.data_ptr<float>(), *to_mean = mean.data_ptr<float>(), *to_inverse = inverse.data_ptr<float>();
  float* to_variance = variance.data_ptr<float>();
  const float low = activation == NONE ? -std::numeric_limits<float>::infinity() : 0.f;
  const float high = activation == RELU6 ? 6.f : std::numeric_limits<float>::infinity();
  at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; c++) {
      const float origin = from[c * length];  // sums of differences from a value of the channel lose no digits to a large mean
      double total = 0, squares = 0;
      for (int n = 0; n < batch; n++) {
        const float* row = from + (static_cast<int64_t>(n) * count + c) * length;
        float s = 0, q = 0;
        for (int64_t i = 0; i < length; i++) {
          const float difference = row[i] - origin;
          s += difference;
          q += difference * difference;
        }
        total += s;
        squares += q;
      }
      const double samples = static_cast<double>(batch) * length, offset = total / samples;
      const double spread = std::max(squares / samples - offset * offset, 0.0);
      to_mean[c] = offset + origin;
      to_variance[c] = spread;
      to_inverse[c] = 1.0 / std::sqrt(spread + epsilon);
      const float k = a[c] * to_inverse[c], d = b[c] - to_mean[c] * k;
      for (int n = 0; n < batch; n++) {
        const int64_t at = (static_cast<int64_t>(n) * count + c) * length;
        for (int64_t i = 0; i < length; i++) to[at + i] = std::min(std::max(from[at + i] * k + d, low), high);
      }
    }
  });
  return {y, mean, inverse, variance};
}

// -> gradients of x, scale and shift.
std::vector<torch::Tensor> norm_backward(torch::Tensor gradient, torch::Tensor x, torch::Tensor scale, torch::Tensor shift,
                                         torch::Tensor mean, torch::Tensor inverse, int activation) {
  gradient = gradient.contiguous();
  auto dx = torch::empty_like(x), dscale = torch::empty_like(scale), dshift = torch::empty_like(shift);
  const auto channels = channels_of(scale, shift, mean, inverse);
  switch (activation) {
    case NONE: norm_backward_of<NONE>(x, gradient, channels, dx, dscale, dshift); break;
    case RELU: norm_backward_of<RELU>(x, gradient, channels, dx, dscale, dshift); break;
    default: norm_backward_of<RELU6>(x, gradient, channels, dx, dscale, dshift);
  }
  return {dx, dscale, dshift};
}

PYBIND11_MODULE(TORCH_EXTENSION_NAME, module) {
  module.def("depthwise", &depthwise);
  module.def("depthwise_backward", &depthwise_backward);
  module.def("norm", &norm);
  module.def("norm_backward", &norm_backward);
}
