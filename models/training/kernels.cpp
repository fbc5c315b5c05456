// Training kernels for CPU cores, NCHW, in float32 or bfloat16 with sums in float32: depthwise convolution with the batch norms
// and activations around it, and batch norm alone. The 1x1 convolutions are in pointwise.cpp, the loss in heatmap_loss.cpp.
//
// A LitePose step in PyTorch spends nearly all of its time in the weight gradient of the depthwise 7x7 convolutions, and once
// that is fast, in moving the wide maps around it between caches and memory. Here a thread takes one channel of the whole batch,
// which fits into its cache, through everything between two 1x1 convolutions, and what can be computed again is not kept.
// For the convolution, every plane is copied into a scratch with a margin of zeros, and all three passes are the same small
// correlation: a block of ROWS rows by one vector is held in registers, each loaded vector of the plane serves every row of
// the block, and no inner loop has a border case.

#include "kernels.h"
#include "vectors.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

namespace {

// Writes evens[0], odds[0], evens[1], ... , `length` of each, in whole vectors: less than two of them past the end.
inline void interleave(const float* evens, const float* odds, int length, float* to) {
  for (int at = 0; at < length; at += LANES) {
    const Lanes a = load(evens + at), b = load(odds + at);
#if defined(__AVX512F__)
    store(to + 2 * at, __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23));
    store(to + 2 * at + LANES, __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31));
#else
    store(to + 2 * at, __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11));
    store(to + 2 * at + LANES, __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15));
#endif
  }
}

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

  // values(place, lanes): a vector of the plane.
  template <typename Values>
  void fill(int rows, int columns, Values values) {
    for (int y = 0; y < rows; y++)
      along(columns, [&](int64_t x, auto lanes) {
        const Lanes value = first(values(static_cast<int64_t>(y) * columns + x, lanes), lanes);
        if constexpr (STRIDE == 1) {
          store(row(0, y + margin) + margin + x, value);
        } else {
          constexpr int HALF = LANES / 2;
          const Lanes dealt = evens_and_odds(value);
          const float* from = reinterpret_cast<const float*>(&dealt);
          std::memcpy(row(margin % 2, y + margin) + (x + margin) / 2, from, HALF * sizeof(float));
          std::memcpy(row((margin + 1) % 2, y + margin) + (x + margin + 1) / 2, from + HALF, HALF * sizeof(float));
        }
      });
  }
};

// ROWS output rows by one vector: out[y][x] = sum of weights[i][j] * plane[STRIDE * y + i + offset][STRIDE * x + j + offset],
// with an offset for STRIDE 1 only.
template <int KERNEL, int STRIDE, int ROWS>
inline void correlate_block(Padded<STRIDE>& plane, const float* weights, int offset, int y, int x, float* out, int pitch) {
  std::array<Lanes, ROWS> totals{};
  for (int j = 0; j < KERNEL; j++) {
    std::array<Lanes, KERNEL> column;
#pragma GCC unroll 16
    for (int i = 0; i < KERNEL; i++) column[i] = in_register(all(weights[i * KERNEL + j]));
    const float* from = plane.row(j % STRIDE, STRIDE * y + offset) + x + j / STRIDE + offset;
#pragma GCC unroll 32
    for (int q = 0; q < STRIDE * (ROWS - 1) + KERNEL; q++) {
      const Lanes value = in_register(load(from + q * plane.width));
#pragma GCC unroll 16
      for (int r = 0; r < ROWS; r++) {
        const int i = q - STRIDE * r;
        if (i >= 0 && i < KERNEL) totals[r] = multiply_add(column[i], value, totals[r]);
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < ROWS; r++) store(out + r * pitch, totals[r]);
}

// From right to left, so that what whole vectors write past the end of a row is overwritten by the next row's beginning: `out`
// has room for one vector more.
template <int KERNEL, int STRIDE>
void correlate(Padded<STRIDE>& plane, const float* weights, int rows, int columns, float* out, int offset = 0) {
  int y = 0;
  const auto blocks = [&](auto size) {
    constexpr int ROWS = decltype(size)::value;
    for (; y + ROWS <= rows; y += ROWS)
      for (int x = rounded_up(columns) - LANES; x >= 0; x -= LANES)
        correlate_block<KERNEL, STRIDE, ROWS>(plane, weights, offset, y, x, out + y * columns + x, columns);
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
      const Lanes value = in_register(load(from + q * plane.width));
#pragma GCC unroll 16
      for (int r = 0; r < ROWS; r++) {
        const int i = q - STRIDE * r;
        if (i >= 0 && i < KERNEL) column[i] = multiply_add(rows[r], value, column[i]);
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

// What an activation lets through: max(low, .), then min(., high).
struct Bounds {
  float low, high;

  Lanes apply(Lanes value) const { return smaller(larger(value, all(low)), all(high)); }
  Lanes gradient(Lanes value, Lanes slope) const { return (value > all(low)) & (value < all(high)) ? slope : Lanes{}; }
};

// Sums over a channel of the batch, of differences from `origin`: they lose no digits to a mean that is near it.
struct Moments {
  float origin;
  double total = 0, squares = 0;

  // values(place, lanes): a vector of a plane.
  template <typename Values>
  void add(int64_t length, Values values) {
    Lanes s{}, q{};
    along(length, [&](int64_t at, auto lanes) {
      const Lanes difference = first(values(at, lanes) - all(origin), lanes);
      s += difference;
      q += difference * difference;
    });
    total += sum(s);
    squares += sum(q);
  }
};

// One channel of a batch norm and its activation. inverse: of the standard deviation. The output is scale * x + shift.
struct Channel {
  float mean, inverse, scale, shift;
  Bounds bounds;

  Lanes linear(Lanes x) const { return all(scale) * x + all(shift); }
  Lanes apply(Lanes x) const { return bounds.apply(linear(x)); }
  // What of the output's gradient comes through the activation.
  Lanes through(Lanes x, Lanes slope) const { return bounds.gradient(linear(x), slope); }
};

// The gradient of a channel's norm, in two passes: sums of what comes through the activation, then the input's gradient.
struct Slopes {
  const Channel channel;
  double plain = 0, weighted = 0;

  template <typename Values, typename Through>
  void add(int64_t length, Values values, Through through) {
    Lanes a{}, b{};
    along(length, [&](int64_t at, auto lanes) {
      const Lanes slope = first(through(at, lanes), lanes);
      a += slope;
      b += slope * (values(at, lanes) - all(channel.mean));
    });
    plain += sum(a);
    weighted += sum(b);
  }
  // -> function of (x, what came through) to the gradient of x.
  auto input_gradient(double samples) const {
    const Lanes mean_slope = all(plain / samples), per_x = all(weighted / samples * channel.inverse * channel.inverse);
    return [=, *this](Lanes x, Lanes slope) {
      return all(channel.scale) * (slope - mean_slope - (x - all(channel.mean)) * per_x);
    };
  }
};

// A batch norm with the batch's own statistics and the activation behind it. `parameters`: (C) scale, (C) shift and, forwards,
// the (C) running mean, near which the batch's will be. `statistics`: (3, C) mean, inverse of the standard deviation, variance.
struct Norm {
  const float *scale, *shift, *origin;
  float *mean, *inverse, *variance;
  Bounds bounds;
  double epsilon, samples;

  Norm(const std::vector<at::Tensor>& parameters, const at::Tensor& statistics, std::pair<double, double> bounds,
       double epsilon, double samples)
      : scale(parameters[0].data_ptr<float>()),
        shift(parameters[1].data_ptr<float>()),
        origin(parameters.size() > 2 ? parameters[2].data_ptr<float>() : nullptr),
        mean(statistics.data_ptr<float>()),
        inverse(mean + statistics.size(1)),
        variance(inverse + statistics.size(1)),
        bounds{static_cast<float>(bounds.first), static_cast<float>(bounds.second)},
        epsilon(epsilon),
        samples(samples) {}

  Moments moments(int64_t c) const { return {origin[c]}; }
  Channel finish(int64_t c, const Moments& moments) const {
    const double offset = moments.total / samples, spread = std::max(moments.squares / samples - offset * offset, 0.0);
    mean[c] = offset + moments.origin;
    inverse[c] = 1.0 / std::sqrt(spread + epsilon);
    variance[c] = spread;
    return channel(c);
  }
  Channel channel(int64_t c) const {
    const float k = scale[c] * inverse[c];
    return {mean[c], inverse[c], k, shift[c] - mean[c] * k, bounds};
  }
  // gradients: (2, C), of scale and shift.
  void write(int64_t c, const Slopes& slopes, const at::Tensor& gradients) const {
    float* to = gradients.data_ptr<float>();
    to[c] = slopes.weighted * inverse[c];
    to[gradients.size(1) + c] = slopes.plain;
  }
};

// The maps (N, C, H, W) of a tensor.
template <typename T>
struct Maps {
  T* values;
  int64_t batch, count;
  int rows, columns;

  explicit Maps(const at::Tensor& maps)
      : values(maps.data_ptr<T>()), batch(maps.size(0)), count(maps.size(1)), rows(maps.size(2)), columns(maps.size(3)) {}
  int64_t length() const { return static_cast<int64_t>(rows) * columns; }
  double samples() const { return static_cast<double>(batch) * length(); }
  T* plane(int64_t n, int64_t c) const { return values + (n * count + c) * length(); }
};

template <typename T>
Channel measured(const Norm& norm, const Maps<T>& maps, int64_t c) {
  Moments moments = norm.moments(c);
  for (int64_t n = 0; n < maps.batch; n++) {
    const T* from = maps.plane(n, c);
    moments.add(maps.length(), [&](int64_t at, auto lanes) { return load(from + at, lanes); });
  }
  return norm.finish(c, moments);
}

template <typename T>
void normalise(const Channel& channel, const Maps<T>& from, const Maps<T>& to, int64_t c) {
  for (int64_t n = 0; n < from.batch; n++) {
    const T* x = from.plane(n, c);
    T* y = to.plane(n, c);
    along(from.length(), [&](int64_t at, auto lanes) { store(y + at, channel.apply(load(x + at, lanes)), lanes); });
  }
}

// Sums of what comes through the activation of a norm of `x` of the slopes behind it.
template <typename T>
Slopes slopes_of(const Channel& channel, const Maps<T>& x, const Maps<T>& behind, int64_t c) {
  Slopes slopes{channel};
  for (int64_t n = 0; n < x.batch; n++) {
    const T *values = x.plane(n, c), *slope = behind.plane(n, c);
    slopes.add(x.length(), [&](int64_t at, auto lanes) { return load(values + at, lanes); },
               [&](int64_t at, auto lanes) { return channel.through(load(values + at, lanes), load(slope + at, lanes)); });
  }
  return slopes;
}

// Asks for a plane that is needed soon: the processor itself looks no further ahead than a page.
template <typename T>
void expect(const Maps<T>& maps, int64_t n, int64_t c) {
  if (c >= maps.count) return;
  const char* from = reinterpret_cast<const char*>(maps.plane(n, c));
  for (size_t at = 0; at < maps.length() * sizeof(T); at += 64) __builtin_prefetch(from + at, 0, 2);
}

template <typename T, int KERNEL, int STRIDE>
void forward_of(const Maps<T>& x, const float* weights, const std::optional<Norm>& before, const Norm& after, const Maps<T>& z,
                const Maps<T>& y) {
  at::parallel_for(0, x.count, 1, [&](int64_t begin, int64_t end) {
    Padded<STRIDE> plane(x.rows, x.columns, KERNEL / 2);
    std::vector<float> result(z.length() + LANES);
    for (int64_t c = begin; c < end; c++) {
      const auto channel = before ? std::optional(measured(*before, x, c)) : std::nullopt;
      Moments moments = after.moments(c);
      for (int64_t n = 0; n < x.batch; n++) {
        const T* from = x.plane(n, c);
        expect(x, n, c + 1);
        if (channel) {
          plane.fill(x.rows, x.columns, [&](int64_t at, auto lanes) { return channel->apply(load(from + at, lanes)); });
        } else {
          plane.fill(x.rows, x.columns, [&](int64_t at, auto lanes) { return load(from + at, lanes); });
        }
        correlate<KERNEL, STRIDE>(plane, weights + c * KERNEL * KERNEL, z.rows, z.columns, result.data());
        T* to = z.plane(n, c);
        moments.add(z.length(), [&](int64_t at, auto lanes) {
          const Lanes value = load(result.data() + at, lanes);
          store(to + at, value, lanes);
          return value;
        });
      }
      normalise(after.finish(c, moments), z, y, c);
    }
  });
}

template <typename T, int KERNEL, int STRIDE>
void backward_of(const Maps<T>& gradient, const Maps<T>& x, const Maps<T>& z, const float* weights,
                 const std::optional<Norm>& before, const Norm& after, T* to_x, float* to_weights,
                 const at::Tensor& to_before, const at::Tensor& to_after) {
  constexpr int margin = KERNEL / 2, TAPS = KERNEL * KERNEL;
  at::parallel_for(0, x.count, 1, [&](int64_t begin, int64_t end) {
    Padded<STRIDE> plane(x.rows, x.columns, margin);
    Padded<1> slopes(z.rows, z.columns, margin);
    std::vector<float> result(x.length() + 2 * LANES);
    std::array<std::vector<float>, STRIDE == 2 ? 4 : 0> quarters;
    for (auto& quarter : quarters) quarter.resize(z.length() + LANES);
    for (int64_t c = begin; c < end; c++) {
      const auto channel = before ? std::optional(before->channel(c)) : std::nullopt;
      const Slopes behind = slopes_of(after.channel(c), z, gradient, c);
      after.write(c, behind, to_after);
      const auto gradient_of_z = behind.input_gradient(z.samples());
      Slopes ahead{channel.value_or(Channel{})};
      std::array<Lanes, TAPS> totals{};
      std::array<float, TAPS> reversed;
      std::reverse_copy(weights + c * TAPS, weights + (c + 1) * TAPS, reversed.begin());
      const HalfKernels<KERNEL> halves(weights + c * TAPS);
      for (int64_t n = 0; n < x.batch; n++) {
        const T *from = x.plane(n, c), *values = z.plane(n, c), *slope = gradient.plane(n, c);
        for (const auto& maps : {gradient, z, x}) expect(maps, n, c + 1);
        slopes.fill(z.rows, z.columns, [&](int64_t at, auto lanes) {
          const Lanes value = load(values + at, lanes);
          return gradient_of_z(value, behind.channel.through(value, load(slope + at, lanes)));
        });
        if (channel) {
          plane.fill(x.rows, x.columns, [&](int64_t at, auto lanes) { return channel->apply(load(from + at, lanes)); });
        } else {
          plane.fill(x.rows, x.columns, [&](int64_t at, auto lanes) { return load(from + at, lanes); });
        }
        weight_gradient<KERNEL, STRIDE>(plane, slopes, z.rows, z.columns, totals.data());
        if (to_x == nullptr) continue;
        if constexpr (STRIDE == 1) {
          correlate<KERNEL, 1>(slopes, reversed.data(), x.rows, x.columns, result.data());
        } else {
          constexpr int side = HalfKernels<KERNEL>::side, offset = margin + HalfKernels<KERNEL>::lowest;
          for (int i = 0; i < 4; i++)
            correlate<side, 1>(slopes, halves.weights[i].data(), z.rows, z.columns, quarters[i].data(), offset);
          // In the order of rows: each overwrites what the one before wrote past its end.
          for (int row = 0; row < x.rows; row++) {
            const int from_row = row / 2 * z.columns;
            interleave(quarters[row % 2 * 2].data() + from_row, quarters[row % 2 * 2 + 1].data() + from_row, z.columns,
                       result.data() + row * x.columns);
          }
        }
        T* to = to_x + (n * x.count + c) * x.length();
        if (channel) {  // what comes through is kept where the gradient will be, for the second pass
          ahead.add(x.length(), [&](int64_t at, auto lanes) { return load(from + at, lanes); },
                    [&](int64_t at, auto lanes) {
                      const Lanes through = channel->through(load(from + at, lanes), load(result.data() + at, lanes));
                      store(to + at, through, lanes);
                      return through;
                    });
        } else {
          along(x.length(), [&](int64_t at, auto lanes) { store(to + at, load(result.data() + at, lanes), lanes); });
        }
      }
      for (int i = 0; i < KERNEL; i++)
        for (int j = 0; j < KERNEL; j++) to_weights[c * TAPS + i * KERNEL + j] = sum(totals[j * KERNEL + i]);
      if (!channel) continue;
      before->write(c, ahead, to_before);
      const auto gradient_of_x = ahead.input_gradient(x.samples());
      for (int64_t n = 0; n < x.batch; n++) {
        const T* from = x.plane(n, c);
        T* to = to_x + (n * x.count + c) * x.length();
        along(x.length(), [&](int64_t at, auto lanes) {
          store(to + at, gradient_of_x(load(from + at, lanes), load(to + at, lanes)), lanes);
        });
      }
    }
  });
}

// Calls run(a value of the maps' type, side of the kernel, stride), the latter two as constants.
template <typename Run>
void dispatch(const at::Tensor& maps, int64_t kernel, int64_t stride, Run run) {
  const auto typed = [&](auto value) {
    const auto sided = [&](auto side) {
      stride == 1 ? run(value, side, std::integral_constant<int, 1>{}) : run(value, side, std::integral_constant<int, 2>{});
    };
    switch (kernel) {
      case 3: return sided(std::integral_constant<int, 3>{});
      case 5: return sided(std::integral_constant<int, 5>{});
      case 7: return sided(std::integral_constant<int, 7>{});
      default: return sided(std::integral_constant<int, 9>{});
    }
  };
  maps.scalar_type() == at::kBFloat16 ? typed(at::BFloat16{}) : typed(float{});
}

at::Tensor empty_statistics(const at::Tensor& maps) { return at::empty({3, maps.size(1)}, at::kFloat); }

std::optional<Norm> norm_before(const Parameters& parameters, const at::Tensor& statistics, Limits limits, double epsilon,
                                const at::Tensor& maps) {
  if (parameters.empty()) return std::nullopt;
  return Norm(parameters, statistics, limits, epsilon, maps.numel() / maps.size(1));
}

}  // namespace

std::vector<at::Tensor> depthwise(at::Tensor x, at::Tensor weight, int64_t stride, Parameters before, Limits before_limits,
                                  Parameters after, Limits after_limits, double epsilon) {
  x = x.contiguous();
  weight = weight.contiguous();
  auto z = at::empty({x.size(0), x.size(1), (x.size(2) - 1) / stride + 1, (x.size(3) - 1) / stride + 1}, x.options());
  auto y = at::empty_like(z), first = empty_statistics(x), second = empty_statistics(x);
  const auto norm = norm_before(before, first, before_limits, epsilon, x);
  const Norm last(after, second, after_limits, epsilon, z.numel() / z.size(1));
  dispatch(x, weight.size(2), stride, [&](auto value, auto side, auto step) {
    using T = decltype(value);
    forward_of<T, decltype(side)::value, decltype(step)::value>(Maps<T>(x), weight.data_ptr<float>(), norm, last, Maps<T>(z),
                                                               Maps<T>(y));
  });
  return {y, z, first, second};
}

std::vector<at::Tensor> depthwise_backward(at::Tensor gradient, at::Tensor x, at::Tensor z, at::Tensor weight, int64_t stride,
                                           Parameters before, Limits before_limits, at::Tensor first, Parameters after,
                                           Limits after_limits, at::Tensor second, bool needs_x) {
  gradient = gradient.contiguous();
  weight = weight.contiguous();
  const auto norm = norm_before(before, first, before_limits, 0, x);
  const Norm last(after, second, after_limits, 0, z.numel() / z.size(1));
  auto to_x = needs_x || norm ? at::empty_like(x) : at::Tensor(), to_weight = at::empty_like(weight);
  auto to_before = at::empty({2, x.size(1)}, at::kFloat), to_after = at::empty_like(to_before);
  dispatch(x, weight.size(2), stride, [&](auto value, auto side, auto step) {
    using T = decltype(value);
    backward_of<T, decltype(side)::value, decltype(step)::value>(
        Maps<T>(gradient), Maps<T>(x), Maps<T>(z), weight.data_ptr<float>(), norm, last,
        to_x.defined() ? to_x.data_ptr<T>() : nullptr, to_weight.data_ptr<float>(), to_before, to_after);
  });
  return {to_x, to_weight, to_before, to_after};
}

std::vector<at::Tensor> norm(at::Tensor x, Parameters parameters, Limits limits, double epsilon) {
  x = x.contiguous();
  auto y = at::empty_like(x), statistics = empty_statistics(x);
  const Norm norm(parameters, statistics, limits, epsilon, x.numel() / x.size(1));
  dispatch(x, 0, 1, [&](auto value, auto, auto) {
    const Maps<decltype(value)> from(x), to(y);
    at::parallel_for(0, from.count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; c++) normalise(measured(norm, from, c), from, to, c);
    });
  });
  return {y, statistics};
}

std::vector<at::Tensor> norm_backward(at::Tensor gradient, at::Tensor x, Parameters parameters, Limits limits,
                                      at::Tensor statistics) {
  gradient = gradient.contiguous();
  auto to_x = at::empty_like(x), to_parameters = at::empty({2, x.size(1)}, at::kFloat);
  const Norm norm(parameters, statistics, limits, 0, x.numel() / x.size(1));
  dispatch(x, 0, 1, [&](auto value, auto, auto) {
    const Maps<decltype(value)> from(x), slope(gradient), to(to_x);
    at::parallel_for(0, from.count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; c++) {
        const Slopes slopes = slopes_of(norm.channel(c), from, slope, c);
        norm.write(c, slopes, to_parameters);
        const auto gradient_of_x = slopes.input_gradient(from.samples());
        for (int64_t n = 0; n < from.batch; n++) {
          const auto *values = from.plane(n, c), *behind = slope.plane(n, c);
          auto* out = to.plane(n, c);
          along(from.length(), [&](int64_t at, auto lanes) {
            const Lanes value = load(values + at, lanes);
            store(out + at, gradient_of_x(value, slopes.channel.through(value, load(behind + at, lanes))), lanes);
          });
        }
      }
    });
  });
  return {to_x, to_parameters};
}
