// The part of the CUDA driver that engine.compiler.gpu.cuda uses, on a processor, for machines without a GPU.
// A "module" is the path of a shared library made from CUDA C and simulated_kernels.hpp. What a real driver does in its own
// time is put off as long as it may be: until the stream is synchronised. Items of a group are fibers, so barriers work.
#include <dlfcn.h>
#include <ucontext.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <set>
#include <string>
#include <vector>

namespace {

enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_CONTEXT = 201, INVALID_IMAGE = 200, LAUNCH_FAILED = 719 };

struct Index {
  int x, y, z;
};
struct Module {
  void* library;
  Index *item, *group;
};
struct Function {
  Module* module;
  void (*call)(void**);
  int arguments;
};
using Work = std::function<void()>;
struct Graph {
  std::vector<Work> work;
};
struct Stream {
  std::vector<Work> pending;
  Graph* capturing = nullptr;
};

int context_object;
thread_local void* current = nullptr;
std::vector<Stream*> streams;
std::set<void*> memory;

constexpr std::size_t STACK = 64 * 1024;
struct Fiber {
  ucontext_t context;
  std::unique_ptr<char[]> stack{new char[STACK]};
  bool done;
};
ucontext_t scheduler;
std::vector<Fiber> fibers;
std::size_t running;
const Function* function_now;
void** arguments_now;

void fiber_main() {
  function_now->call(arguments_now);
  fibers[running].done = true;
}

void barrier() { swapcontext(&fibers[running].context, &scheduler); }

void run_group(const Function& function, void** arguments, Index items) {
  std::size_t count = static_cast<std::size_t>(items.x) * items.y * items.z;
  if (fibers.size() < count) fibers.resize(count);
  function_now = &function;
  arguments_now = arguments;
  for (std::size_t i = 0; i < count; ++i) {
    Fiber& fiber = fibers[i];
    fiber.done = false;
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = STACK;
    fiber.context.uc_link = &scheduler;
    makecontext(&fiber.context, fiber_main, 0);
  }
  // Each round takes every item from one barrier to the next.
  for (bool more = true; more;) {
    more = false;
    for (running = 0; running < count; ++running) {
      if (fibers[running].done) continue;
      int place = static_cast<int>(running);
      *function.module->item = {place % items.x, place / items.x % items.y, place / items.x / items.y};
      swapcontext(&scheduler, &fibers[running].context);
      more = more || !fibers[running].done;
    }
  }
}

void finish(Stream* stream) {
  std::vector<Work> pending;
  pending.swap(stream->pending);
  for (Work& work : pending) work();
}

int enqueue(Stream* stream, Work work) {
  if (current == nullptr) return INVALID_CONTEXT;
  (stream->capturing ? stream->capturing->work : stream->pending).push_back(std::move(work));
  return SUCCESS;
}

}  // namespace

extern "C" {

int simulated_broken = 0;  // a test sets it: from then on every copy and launch fails
int simulated_held() { return static_cast<int>(memory.size() + streams.size()); }  // what nobody gave back

int cuInit(unsigned) { return SUCCESS; }
int cuGetErrorString(int error, const char** text) {
  *text = error == LAUNCH_FAILED ? "unspecified launch failure" : "simulated error";
  return SUCCESS;
}
int cuDeviceGetCount(int* count) { return *count = 1, SUCCESS; }
int cuDeviceGet(int* device, int number) { return *device = number, SUCCESS; }
int cuDeviceGetName(char* name, int size, int) { return std::strncpy(name, "Simulated GPU", size), SUCCESS; }
int cuDeviceGetAttribute(int* value, int attribute, int) {
  switch (attribute) {
    case 1: *value = 1024; return SUCCESS;
    case 8: *value = 49152; return SUCCESS;
    case 75: *value = 7; return SUCCESS;
    case 76: *value = 5; return SUCCESS;
  }
  return INVALID_VALUE;
}
int cuDevicePrimaryCtxRetain(void** context, int) { return *context = &context_object, SUCCESS; }
int cuCtxSetCurrent(void* context) { return current = context, SUCCESS; }

int cuModuleLoadData(void** module, const char* path) {
  if (current == nullptr) return INVALID_CONTEXT;
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return INVALID_IMAGE;
  auto* loaded = new Module{library, static_cast<Index*>(dlsym(library, "threadIdx")),
                            static_cast<Index*>(dlsym(library, "blockIdx"))};
  *reinterpret_cast<void (**)()>(dlsym(library, "simulated_barrier")) = barrier;
  return *module = loaded, SUCCESS;
}
int cuModuleUnload(void* module) {
  auto* gone = static_cast<Module*>(module);
  dlclose(gone->library);
  return delete gone, SUCCESS;
}
int cuModuleGetFunction(void** function, void* module, const char* name) {
  auto* from = static_cast<Module*>(module);
  std::string text = name;
  auto call = reinterpret_cast<void (*)(void**)>(dlsym(from->library, (text + "_call").c_str()));
  auto count = reinterpret_cast<int (*)()>(dlsym(from->library, (text + "_arguments").c_str()));
  if (call == nullptr || count == nullptr) return INVALID_VALUE;
  return *function = new Function{from, call, count()}, SUCCESS;
}

int cuStreamCreate(void** stream, unsigned) {
  streams.push_back(new Stream);
  return *stream = streams.back(), SUCCESS;
}
int cuStreamDestroy_v2(void* stream) {
  auto* gone = static_cast<Stream*>(stream);
  finish(gone);
  streams.erase(std::remove(streams.begin(), streams.end(), gone), streams.end());
  return delete gone, SUCCESS;
}
int cuStreamSynchronize(void* stream) {
  if (current == nullptr) return INVALID_CONTEXT;
  if (simulated_broken) return LAUNCH_FAILED;
  finish(static_cast<Stream*>(stream));
  return SUCCESS;
}
int cuStreamBeginCapture_v2(void* stream, int) {
  static_cast<Stream*>(stream)->capturing = new Graph;
  return SUCCESS;
}
int cuStreamEndCapture(void* stream, void** graph) {
  auto* on = static_cast<Stream*>(stream);
  *graph = on->capturing;
  on->capturing = nullptr;
  return *graph ? SUCCESS : INVALID_VALUE;
}
int cuGraphInstantiateWithFlags(void** executable, void* graph, unsigned long long) {
  return *executable = new Graph(*static_cast<Graph*>(graph)), SUCCESS;
}
int cuGraphDestroy(void* graph) { return delete static_cast<Graph*>(graph), SUCCESS; }
int cuGraphExecDestroy(void* graph) { return delete static_cast<Graph*>(graph), SUCCESS; }
int cuGraphLaunch(void* executable, void* stream) {
  if (simulated_broken) return LAUNCH_FAILED;
  for (const Work& work : static_cast<Graph*>(executable)->work) {
    if (int error = enqueue(static_cast<Stream*>(stream), work)) return error;
  }
  return SUCCESS;
}

int cuMemAlloc_v2(std::uint64_t* address, std::size_t size) {
  if (current == nullptr) return INVALID_CONTEXT;
  void* block = ::operator new(size, std::align_val_t(256));
  std::memset(block, 0xff, size);  // NaN: nobody may count on zeros
  memory.insert(block);
  return *address = reinterpret_cast<std::uint64_t>(block), SUCCESS;
}
int cuMemFree_v2(std::uint64_t address) {
  for (Stream* stream : streams) finish(stream);
  void* block = reinterpret_cast<void*>(address);
  if (memory.erase(block) == 0) return INVALID_VALUE;
  ::operator delete(block, std::align_val_t(256));
  return SUCCESS;
}
int cuMemcpyHtoDAsync_v2(std::uint64_t to, const void* from, std::size_t size, void* stream) {
  return enqueue(static_cast<Stream*>(stream), [=] { std::memcpy(reinterpret_cast<void*>(to), from, size); });
}
int cuMemcpyDtoHAsync_v2(void* to, std::uint64_t from, std::size_t size, void* stream) {
  return enqueue(static_cast<Stream*>(stream), [=] { std::memcpy(to, reinterpret_cast<void*>(from), size); });
}
int cuLaunchKernel(void* function, unsigned gx, unsigned gy, unsigned gz, unsigned x, unsigned y, unsigned z, unsigned,
                   void* stream, void** arguments, void**) {
  if (simulated_broken) return LAUNCH_FAILED;
  if (x * y * z > 1024 || x * y * z * gx * gy * gz == 0) return INVALID_VALUE;
  const Function kernel = *static_cast<Function*>(function);
  std::vector<std::uint64_t> values(kernel.arguments);
  for (int i = 0; i < kernel.arguments; ++i) values[i] = *static_cast<std::uint64_t*>(arguments[i]);
  return enqueue(static_cast<Stream*>(stream), [=] {
    std::vector<std::uint64_t> copies = values;
    std::vector<void*> places;
    for (std::uint64_t& value : copies) places.push_back(&value);
    for (unsigned group = 0; group < gx * gy * gz; ++group) {
      *kernel.module->group = {static_cast<int>(group % gx), static_cast<int>(group / gx % gy),
                               static_cast<int>(group / gx / gy)};
      run_group(kernel, places.data(), {static_cast<int>(x), static_cast<int>(y), static_cast<int>(z)});
    }
  });
}

}  // extern "C"
