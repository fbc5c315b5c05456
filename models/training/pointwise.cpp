// 1x1 convolutions as matrix products. Maps are wide and their channels few, which libraries for square matrices do at half of
// what a core can. All passes are one small product: a tile of ROWS rows by one strip of columns is held in registers while the
// depth goes by. What a strip reads lies together in memory, packed once for all rows.

#include "kernels.h"

#include "vectors.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace {

constexpr int VECTORS = 2, STRIP = VECTORS * LANES;
#if defined(__AVX512F__)
constexpr int ROWS = 8;
#else
constexpr int ROWS = 6;
#endif
constexpr int64_t PANEL = 49152;  // floats of packed strips, to stay in a core's second cache
constexpr int64_t DEPTH = 256;    // channels of a strip that are multiplied at once, to stay in its first
constexpr int64_t SPAN = 256;     // pixels that a weight's gradient takes at once

// Calls visit(first row, number of rows as a constant) for all rows, in tiles of nearly the same height.
template <typename Visit>
void tiles(int64_t rows, Visit visit) {
  for (int64_t row = 0; row < rows;) {
    const int64_t left = rows - row;
    const int64_t height = left <= ROWS ? left : left < 2 * ROWS ? (left + 1) / 2 : ROWS;
    const auto chosen = [&](auto constant) {
      if (height == decltype(constant)::value) visit(row, constant);
    };
    [&]<int... I>(std::integer_sequence<int, I...>) {
      (chosen(std::integral_constant<int, I + 1>{}), ...);
    }(std::make_integer_sequence<int, ROWS>{});
    row += height;
  }
}

// totals[r][:] += sum over d of left[r * pitch + d] * strip[d][:].
template <int HEIGHT>
inline void multiply(const float* left, int64_t pitch, int64_t depth, const float* strip, Lanes (&totals)[HEIGHT][VECTORS]) {
  for (int64_t d = 0; d < depth; d++) {
    Lanes columns[VECTORS];
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; v++) columns[v] = in_register(load(strip + d * STRIP + v * LANES));
#pragma GCC unroll 16
    for (int r = 0; r < HEIGHT; r++) {
      const Lanes factor = all(left[r * pitch + d]);
#pragma GCC unroll 4
      for (int v = 0; v < VECTORS; v++) totals[r][v] = multiply_add(factor, columns[v], totals[r][v]);
    }
  }
}

// Packs `count` columns of `depth` rows into strips, the last filled up with zeros. Row by row: rows often lie a power of two
// apart, and evict each other from caches.
void pack(const float* from, int64_t pitch, int64_t depth, int64_t count, float* strips) {
  for (int64_t d = 0; d < depth; d++)
    for (int64_t column = 0; column < count; column += STRIP)
      for (int v = 0; v < VECTORS; v++) {
        const int64_t at = column + v * LANES, left = count - at;
        const float* place = from + d * pitch + at;
        store(strips + column * depth + d * STRIP + v * LANES,
              left >= LANES ? load(place) : left > 0 ? load(place, static_cast<int>(left)) : Lanes{});
      }
}

typedef float Four __attribute__((vector_size(16), aligned(sizeof(float))));

// Packs `count` rows of `depth` columns as the columns of a strip, filled up with zeros.
void pack_turned(const float* from, int64_t pitch, int64_t depth, int64_t count, float* strip) {
  const auto four = [](const float* at) { return *reinterpret_cast<const Four*>(at); };
  for (int64_t column = 0; column < STRIP; column += 4) {
    int64_t d = 0;
    const float* row = from + column * pitch;
    float* to = strip + column;
    if (column + 4 <= count)
      for (; d + 4 <= depth; d += 4) {
        const Four a = four(row + d), b = four(row + pitch + d), c = four(row + 2 * pitch + d), e = four(row + 3 * pitch + d);
        const Four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
        const Four ce = __builtin_shufflevector(c, e, 0, 4, 1, 5), ce_high = __builtin_shufflevector(c, e, 2, 6, 3, 7);
        const std::array<Four, 4> turned{
            __builtin_shufflevector(ab, ce, 0, 1, 4, 5), __builtin_shufflevector(ab, ce, 2, 3, 6, 7),
            __builtin_shufflevector(ab_high, ce_high, 0, 1, 4, 5), __builtin_shufflevector(ab_high, ce_high, 2, 3, 6, 7)};
        for (int i = 0; i < 4; i++) *reinterpret_cast<Four*>(to + (d + i) * STRIP) = turned[i];
      }
    for (; d < depth; d++)
      for (int64_t i = 0; i < 4; i++) to[d * STRIP + i] = column + i < count ? row[i * pitch + d] : 0;
  }
}

int64_t strips(int64_t columns) { return (columns + STRIP - 1) / STRIP; }

// (M, K) products of the rows of `many` (N, M, L) with those of `few` (N, K, L), summed over N: `few` is turned and packed.
at::Tensor row_products(const at::Tensor& many, const at::Tensor& few) {
  const int64_t batch = many.size(0), rows = many.size(1), columns = few.size(1), length = many.size(2);
  const int64_t spans = (length + SPAN - 1) / SPAN, wide = strips(columns) * STRIP;
  auto sums = at::zeros({at::get_num_threads(), rows, wide}, many.options());
  const float *left = many.data_ptr<float>(), *right = few.data_ptr<float>();
  at::parallel_for(0, batch * spans, 1, [&](int64_t begin, int64_t end) {
    float* own = sums.data_ptr<float>() + at::get_thread_num() * rows * wide;
    std::vector<float> packed(SPAN * wide);
    for (int64_t task = begin; task < end; task++) {
      const int64_t n = task / spans, at = task % spans * SPAN, depth = std::min(SPAN, length - at);
      for (int64_t column = 0; column < columns; column += STRIP)
        pack_turned(right + (n * columns + column) * length + at, length, depth, columns - column, packed.data() + column * SPAN);
      tiles(rows, [&](int64_t row, auto height) {
        for (int64_t column = 0; column < columns; column += STRIP) {
          Lanes totals[height][VECTORS];
          float* to = own + row * wide + column;
          for (int r = 0; r < height; r++)
            for (int v = 0; v < VECTORS; v++) totals[r][v] = load(to + r * wide + v * LANES);
          multiply<height>(left + (n * rows + row) * length + at, length, depth, packed.data() + column * SPAN, totals);
          for (int r = 0; r < height; r++)
            for (int v = 0; v < VECTORS; v++) store(to + r * wide + v * LANES, totals[r][v]);
        }
      });
    }
  });
  return sums.sum(0).slice(1, 0, columns);
}

}  // namespace

at::Tensor pointwise(at::Tensor x, at::Tensor weight) {
  x = x.contiguous();
  weight = weight.contiguous();
  const int64_t batch = x.size(0), depth = x.size(1), length = x.size(2), rows = weight.size(0);
  auto y = at::empty({batch, rows, length}, x.options());
  const int64_t wide = std::clamp<int64_t>(PANEL / depth / STRIP, 1, 64) * STRIP, panels = (length + wide - 1) / wide;
  const float *from = x.data_ptr<float>(), *left = weight.data_ptr<float>();
  float* to = y.data_ptr<float>();
  at::parallel_for(0, batch * panels, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> packed(wide * depth);
    for (int64_t task = begin; task < end; task++) {
      const int64_t n = task / panels, first = task % panels * wide, count = std::min(wide, length - first);
      pack(from + n * depth * length + first, length, depth, count, packed.data());
      for (int64_t channel = 0; channel < depth; channel += DEPTH)
        tiles(rows, [&](int64_t row, auto height) {
          float* out = to + (n * rows + row) * length + first;
          for (int64_t column = 0; column < count; column += STRIP) {
            Lanes totals[height][VECTORS] = {};
            const auto each = [&](auto visit) {
              for (int r = 0; r < height; r++)
                for (int v = 0; v < VECTORS; v++) {
                  const int64_t valid = count - column - v * LANES;
                  float* place = out + r * length + column + v * LANES;
                  if (valid >= LANES) {
                    visit(place, totals[r][v], Whole{});
                  } else if (valid > 0) {
                    visit(place, totals[r][v], static_cast<int>(valid));
                  }
                }
            };
            if (channel > 0) each([](const float* place, Lanes& total, auto lanes) { total = load(place, lanes); });
            multiply<height>(left + row * depth + channel, depth, std::min(DEPTH, depth - channel),
                             packed.data() + column * depth + channel * STRIP, totals);
            each([](float* place, Lanes total, auto lanes) { store(place, total, lanes); });
          }
        });
    }
  });
  return y;
}

at::Tensor pointwise_weight_gradient(at::Tensor gradient, at::Tensor x) {
  gradient = gradient.contiguous();
  x = x.contiguous();
  return gradient.size(1) < x.size(1) ? row_products(x, gradient).t() : row_products(gradient, x);
}
