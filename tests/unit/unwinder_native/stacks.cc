// Allocations on every kind of stack. Compiled without frame pointers, as the programs of most distributions are. Run
// with the name of a scenario.
#include <alloca.h>
#include <dlfcn.h>
#include <pthread.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#define NOINLINE __attribute__((noinline, noclone))

extern "C" {
void* asm_without_cfi(void* (*function)(std::size_t), std::size_t size);
void* asm_with_frame_pointer(void* (*function)(std::size_t), std::size_t size);
#if defined(__x86_64__)
void* asm_with_other_base(void* (*function)(std::size_t), std::size_t size);
void* asm_with_expression(void* (*function)(std::size_t), std::size_t size);
void asm_on_stack(void (*function)(), void* top);
#endif
double check_benchmark(long) __attribute__((weak));
}

namespace {

volatile int sink;

NOINLINE void allocate(std::size_t size = 24) {
  void* memory = std::malloc(size);
  std::memset(memory, 1, size);
  sink = static_cast<char*>(memory)[size - 1];
  std::free(memory);
}

// A different stack below the same function each time.
NOINLINE void descend(int depth) {
  if (depth % 7 == 0) allocate();
  if (depth > 0) {
    if (depth % 2 == 0) {
      descend(depth - 1);
    } else {
      volatile char frame[64] = {};
      sink = frame[3];
      descend(depth - 1);
    }
  }
  if (depth % 5 == 0) allocate();
}

void recursion() {
  descend(10000);
  for (int i = 0; i < 50; ++i) descend(i);
}

NOINLINE void handler(int) {
  allocate();
  descend(9);
}

void signals() {
  struct sigaction action = {};
  action.sa_handler = handler;
  sigaction(SIGUSR1, &action, nullptr);
  for (int i = 0; i < 10; ++i) {
    raise(SIGUSR1);
    allocate();
  }
  void* const memory = std::malloc(SIGSTKSZ * 4);
  const stack_t other = {memory, 0, static_cast<std::size_t>(SIGSTKSZ) * 4};
  sigaltstack(&other, nullptr);
  action.sa_flags = SA_ONSTACK;
  sigaction(SIGUSR2, &action, nullptr);
  for (int i = 0; i < 10; ++i) {
    raise(SIGUSR2);
    allocate();
  }
  // Interrupted anywhere: in prologues, in the middle of the allocator's caller, in leaves.
  action.sa_flags = SA_ONSTACK | SA_RESTART;
  sigaction(SIGALRM, &action, nullptr);
  ualarm(300, 300);
  for (int i = 0; i < 4000; ++i) descend(i % 40);
  ualarm(0, 0);
}

std::jmp_buf place;

NOINLINE void jump_from(int depth) {
  allocate();
  if (depth == 0) std::longjmp(place, 1);
  if (depth > 0) jump_from(depth - 1);
  sink = depth;
}

void longjmps() {
  static int i;
  for (i = 0; i < 40; ++i) {
    if (setjmp(place) == 0) jump_from(i);
    allocate();
  }
}

struct Guard {
  ~Guard() { allocate(); }
};

NOINLINE void throw_from(int depth) {
  const Guard guard;
  if (depth == 0) throw std::runtime_error("an exception with a text that does not fit into the string itself");
  throw_from(depth - 1);
  sink = depth;
}

void exceptions() {
  for (int i = 0; i < 40; ++i) {
    try {
      throw_from(i);
    } catch (const std::exception& e) {
      allocate();
      std::string copy = e.what();
      sink = copy[0];
    }
  }
}

ucontext_t main_context, coroutine_context[3];

void coroutine(int self) {
  for (int i = 0;; ++i) {
    descend(i % 20);
    swapcontext(&coroutine_context[self], i % 3 == 0 ? &main_context : &coroutine_context[(self + 1) % 3]);
  }
}

void contexts() {
  constexpr std::size_t kStack = 64 << 10;
  for (int round = 0; round < 5; ++round) {
    void* stacks[3];
    for (int i = 0; i < 3; ++i) {
      stacks[i] = mmap(nullptr, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      getcontext(&coroutine_context[i]);
      coroutine_context[i].uc_stack.ss_sp = stacks[i];
      coroutine_context[i].uc_stack.ss_size = kStack;
      coroutine_context[i].uc_link = &main_context;
      makecontext(&coroutine_context[i], reinterpret_cast<void (*)()>(coroutine), 1, i);
    }
    for (int i = 0; i < 40; ++i) {
      descend(i % 11);
      swapcontext(&main_context, &coroutine_context[i % 3]);
    }
    for (void* stack : stacks) munmap(stack, kStack);
  }
}

struct alignas(64) Aligned {
  char bytes[64];
};

NOINLINE void use(volatile Aligned* value, volatile char* memory) {
  value->bytes[0] = 1;
  memory[0] = 1;
  allocate();
}

// Realigns its stack, and moves it by amounts known at run time only.
NOINLINE void realigned(int depth) {
  volatile Aligned local;
  auto* memory = static_cast<volatile char*>(alloca(static_cast<std::size_t>(depth) * 24 + 8));
  use(&local, memory);
  if (depth > 0) realigned(depth - 1);
  use(&local, memory);
}

void alignment() {
  for (int i = 0; i < 40; ++i) realigned(i);
}

int compare_and_allocate(const void* a, const void* b) {
  allocate();
  return *static_cast<const int*>(a) - *static_cast<const int*>(b);
}

void callbacks() {
  std::vector<int> numbers;
  for (int i = 0; i < 300; ++i) numbers.push_back(i * 7919 % 1000);
  std::qsort(numbers.data(), numbers.size(), sizeof(int), compare_and_allocate);
  std::map<std::string, std::function<void(int)>> functions;
  for (int i = 0; i < 30; ++i) functions[std::to_string(i * 1000003) + " as a key of some length"] = descend;
  for (auto& [name, function] : functions) function(static_cast<int>(name.size()));
}

// A library whose code comes and goes, perhaps at the same address, under frames that stay.
void plugins() {
  for (int i = 0; i < 12; ++i) {
    void* library = dlopen(i % 2 == 0 ? STACKS_PLUGIN_A : STACKS_PLUGIN_B, RTLD_LAZY | RTLD_LOCAL);
    if (!library) std::abort();
    const auto run = reinterpret_cast<void (*)(void (*)(int), int)>(dlsym(library, "run"));
    for (int k = 0; k < 5; ++k) run(descend, k);
    dlclose(library);
    descend(3);
  }
}

void assembly() {
  for (int i = 0; i < 10; ++i) {
    std::free(asm_with_frame_pointer(std::malloc, 100));
    allocate();
  }
}

#if defined(__x86_64__)
void* allocate_through_expression(std::size_t size) { return asm_with_expression(std::malloc, size); }

void odd_frames() {
  for (int i = 0; i < 10; ++i) {
    std::free(asm_with_expression(std::malloc, 100));
    allocate();
    std::free(asm_with_other_base(std::malloc, 100));
    std::free(asm_with_other_base(allocate_through_expression, 100));
    descend(i);
  }
}

void stack_switches() {
  constexpr std::size_t kStack = 64 << 10;
  static char below[kStack];
  char above[kStack];
  for (int i = 0; i < 10; ++i) {
    allocate();
    asm_on_stack([] { descend(12); }, below + kStack);
    asm_on_stack([] { descend(5); }, above + kStack / 2);
    asm_on_stack([] { asm_on_stack([] { descend(8); }, below + kStack); }, above + kStack);
    allocate();
  }
}
#endif

void blind_assembly() {
  for (int i = 0; i < 10; ++i) {
    std::free(asm_without_cfi(std::malloc, 100));
    allocate();
  }
}

void* thread_main(void* argument) {
  for (int i = 0; i < 30; ++i) descend(static_cast<int>(reinterpret_cast<std::intptr_t>(argument)) + i);
  return nullptr;
}

void threads() {
  for (int round = 0; round < 10; ++round) {
    pthread_t all[4];
    std::intptr_t i = 0;
    for (pthread_t& thread : all) pthread_create(&thread, nullptr, thread_main, reinterpret_cast<void*>(++i));
    for (const pthread_t thread : all) pthread_join(thread, nullptr);
  }
}

NOINLINE double benchmark_at(int depth) {
  if (depth == 0) return check_benchmark(1'000'000);
  const double result = benchmark_at(depth - 1);
  sink = depth;
  return result;
}

void benchmark() {
  for (const int depth : {10, 30, 100}) std::printf("%d frames: %.1f ns\n", depth, benchmark_at(depth));
}

const std::map<std::string, void (*)()> kScenarios = {
    {"recursion", recursion},   {"signals", signals},
    {"longjmps", longjmps},     {"exceptions", exceptions},
    {"contexts", contexts},     {"alignment", alignment},
    {"callbacks", callbacks},   {"plugins", plugins},
    {"assembly", assembly},     {"blind_assembly", blind_assembly},
    {"threads", threads},       {"benchmark", benchmark},
#if defined(__x86_64__)
    {"odd_frames", odd_frames}, {"stack_switches", stack_switches},
#endif
};

}  // namespace

int main(int, char** argv) {
  kScenarios.at(argv[1])();
  return 0;
}
