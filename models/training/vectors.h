// Vectors of floats as wide as the processor's, which maps in float32 and bfloat16 are read into and written from.
#pragma once

#include <ATen/Parallel.h>

#if defined(__AVX__)
#include <immintrin.h>
#endif

#include <cstdint>
#include <cstring>
#include <type_traits>

namespace {

#if defined(__AVX512F__)
constexpr int LANES = 16;
#else
constexpr int LANES = 8;
#endif
typedef float Lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float))));
typedef uint32_t Words __attribute__((vector_size(LANES * sizeof(uint32_t)), aligned(sizeof(uint32_t))));
typedef uint16_t Halves __attribute__((vector_size(LANES * sizeof(uint16_t)), aligned(sizeof(uint16_t))));

// bfloat16 is the upper half of a float.
inline Lanes widened(Halves values) { return reinterpret_cast<Lanes>(__builtin_convertvector(values, Words) << 16); }
inline Halves rounded(Lanes values) {
#if defined(__AVX512BF16__)
  return reinterpret_cast<Halves>(_mm512_cvtneps_pbh(reinterpret_cast<__m512>(values)));
#else
  const Words bits = reinterpret_cast<Words>(values);
  return __builtin_convertvector((bits + 0x7fff + (bits >> 16 & 1)) >> 16, Halves);
#endif
}

inline Lanes load(const float* from) { return *reinterpret_cast<const Lanes*>(from); }
inline Lanes load(const at::BFloat16* from) { return widened(*reinterpret_cast<const Halves*>(from)); }
inline void store(float* to, Lanes value) { *reinterpret_cast<Lanes*>(to) = value; }
inline void store(at::BFloat16* to, Lanes value) { *reinterpret_cast<Halves*>(to) = rounded(value); }

// The first `count` lanes; the others are 0.
#if defined(__AVX512BW__) && defined(__AVX512VL__)
inline __mmask16 mask(int count) { return (1u << count) - 1; }
inline Lanes first(Lanes value, int count) { return _mm512_maskz_mov_ps(mask(count), value); }
inline Lanes load(const float* from, int count) { return _mm512_maskz_loadu_ps(mask(count), from); }
inline Lanes load(const at::BFloat16* from, int count) {
  return widened(reinterpret_cast<Halves>(_mm256_maskz_loadu_epi16(mask(count), from)));
}
inline void store(float* to, Lanes value, int count) { _mm512_mask_storeu_ps(to, mask(count), value); }
inline void store(at::BFloat16* to, Lanes value, int count) {
  _mm256_mask_storeu_epi16(to, mask(count), reinterpret_cast<__m256i>(rounded(value)));
}
#elif defined(__AVX2__) && !defined(__AVX512F__)
inline __m256i mask(int count) {
  alignas(32) static constexpr int32_t ONES_AND_ZEROS[2 * LANES] = {-1, -1, -1, -1, -1, -1, -1, -1};
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(ONES_AND_ZEROS + LANES - count));
}
inline Lanes first(Lanes value, int count) { return _mm256_and_ps(value, _mm256_castsi256_ps(mask(count))); }
inline Lanes load(const float* from, int count) { return _mm256_maskload_ps(from, mask(count)); }
inline void store(float* to, Lanes value, int count) { _mm256_maskstore_ps(to, mask(count), value); }
#else
inline Lanes first(Lanes value, int count) {
  Lanes result{};
  std::memcpy(&result, &value, count * sizeof(float));
  return result;
}
#endif
#if !defined(__AVX512BW__) || !defined(__AVX512VL__)
template <typename T>
inline Lanes load(const T* from, int count) {
  T values[LANES] = {};
  std::memcpy(values, from, count * sizeof(T));
  return load(values);
}
template <typename T>
inline void store(T* to, Lanes value, int count) {
  T values[LANES];
  store(values, value);
  std::memcpy(to, values, count * sizeof(T));
}
#endif

inline Lanes all(float value) { return value - Lanes{}; }
// The value, in a register from here on: otherwise compilers read it from memory again for every multiplication.
inline Lanes in_register(Lanes value) {
#if defined(__AVX__)
  asm("" : "+v"(value));
#endif
  return value;
}
// a * b + c. Spelt out, because GCC's tuning for some processors prefers a product and a sum where sums form a chain.
inline Lanes multiply_add(Lanes a, Lanes b, Lanes c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(__FMA__)
  return _mm256_fmadd_ps(a, b, c);
#else
  return a * b + c;
#endif
}
inline Lanes smaller(Lanes a, Lanes b) { return a < b ? a : b; }
inline Lanes larger(Lanes a, Lanes b) { return a > b ? a : b; }
inline float sum(Lanes value) {
  float total = 0;
  for (int lane = 0; lane < LANES; lane++) total += value[lane];
  return total;
}
inline Lanes evens_and_odds(Lanes v) {
#if defined(__AVX512F__)
  return __builtin_shufflevector(v, v, 0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
#else
  return __builtin_shufflevector(v, v, 0, 2, 4, 6, 1, 3, 5, 7);
#endif
}
inline int rounded_up(int length) { return (length + LANES - 1) / LANES * LANES; }

// Calls visit(place, number of valid lanes) along a row.
typedef std::integral_constant<int, LANES> Whole;
template <typename Visit>
inline void along(int64_t length, Visit visit) {
  int64_t at = 0;
  for (; at + LANES <= length; at += LANES) visit(at, Whole{});
  if (at < length) visit(at, static_cast<int>(length - at));
}
template <typename T>
inline Lanes load(const T* from, Whole) { return load(from); }
template <typename T>
inline void store(T* to, Lanes value, Whole) { store(to, value); }
inline Lanes first(Lanes value, Whole) { return value; }

}  // namespace
