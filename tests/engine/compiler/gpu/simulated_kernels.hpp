// What CUDA C needs to become C++ for a processor: put before a kernel's source. One item runs at a time.
#include <cstddef>
#include <utility>

struct Index {
  int x, y, z;
};
struct alignas(16) float4 {
  float x, y, z, w;
};

extern "C" {
Index threadIdx, blockIdx;
void (*simulated_barrier)();
}

#define __global__
#define __launch_bounds__(n)
#define __shared__ static
#define alignas(n) __attribute__((aligned(n)))  // CUDA takes it where C++ does not
#define __syncthreads simulated_barrier

static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
template <typename T>
static inline T max(T a, T b) { return a > b ? a : b; }
template <typename T>
static inline T min(T a, T b) { return a < b ? a : b; }

template <typename... A, std::size_t... I>
static void call_each(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
  kernel(*static_cast<A*>(arguments[I])...);
}
template <typename... A>
static void call(void (*kernel)(A...), void** arguments) {
  call_each(kernel, arguments, std::index_sequence_for<A...>());
}
// How many arguments a kernel takes, and the kernel with its arguments in an array.
#define SIMULATED_ENTRY(name)                                                        \
  template <typename... A>                                                           \
  static int name##_counted(void (*)(A...)) { return static_cast<int>(sizeof...(A)); } \
  extern "C" int name##_arguments() { return name##_counted(name); }                 \
  extern "C" void name##_call(void** arguments) { call(name, arguments); }
