// Native stacks as libunwind's unw_backtrace sees them: the reference for our own unwinder, and the way out where that
// one does not know the processor's unwind information well.
//
// libunwind cannot simply be linked. The archive that distributions have is not position-independent, and the shared
// object exports `backtrace` and all of `_Unwind_*`, which would take the place of libc's and the compiler's in every
// library that the program loads later. So it is opened, with its names kept to itself, by our constructor: the first
// moment at which libc is ready for that. What is allocated before has no native stack.
//
// libunwind maps memory for its caches, opens a pipe to probe addresses with, and takes locks. The memory is kept out
// of the recording; the pipe stays open in the program.
#include <memray/unwinder.h>

#include "array.h"
#include "machine.h"

#include <dlfcn.h>

namespace memray::libunwind {

namespace {

#if defined(__x86_64__)
#define MEMRAY_LIBUNWIND_NAME(name) "_ULx86_64_" name
#elif defined(__aarch64__)
#define MEMRAY_LIBUNWIND_NAME(name) "_ULaarch64_" name
#endif

struct Stack {
  std::uint32_t depth;
  Array<std::uint64_t> words;  // outermost first, as reported
  Array<void*> found;          // innermost first, from our own frames on
};

constexpr std::uint32_t kFirstCapacity = 512;

const memray_unwinder_host* host;
int (*backtrace)(void** to, int size);
void (*flush_cache)(void* space, unsigned long low, unsigned long high);
void** local_space;

// While this lives, what the thread allocates is not the program's.
class Quiet {
 public:
  Quiet() : before_(host ? host->set_quiet(MEMRAY_QUIET) : 0) {}
  ~Quiet() {
    if (host) host->set_quiet(before_);
  }
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;

 private:
  std::uint32_t before_;
};

__attribute__((constructor)) void open_library() {
  const Quiet quiet;
  // Not dlopen, which is hooked.
  void* const library = dlmopen(LM_ID_BASE, "libunwind.so.8", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  void* const function = library ? dlsym(library, "unw_backtrace") : nullptr;
  if (!function) {
    if (host) host->warn("libunwind.so.8 cannot be loaded into the program: recording without native stacks");
    return;
  }
  flush_cache = reinterpret_cast<decltype(flush_cache)>(dlsym(library, MEMRAY_LIBUNWIND_NAME("flush_cache")));
  local_space = static_cast<void**>(dlsym(library, MEMRAY_LIBUNWIND_NAME("local_addr_space")));
  __atomic_store_n(&backtrace, reinterpret_cast<decltype(backtrace)>(function), __ATOMIC_RELEASE);
}

const char* attach(const memray_unwinder_host* offered) {
  if (offered->size < sizeof(memray_unwinder_host)) return "the recorder is older than the libunwind unwinder";
  host = offered;
  return nullptr;
}

void thread_end(void* state) {
  auto* stack = static_cast<Stack*>(state);
  stack->words.release(*host);
  stack->found.release(*host);
  host->unmap(stack, sizeof *stack);
}

void* thread_begin() {
  auto* stack = static_cast<Stack*>(host->map(sizeof(Stack)));
  if (stack && (!stack->words.grow(*host, kFirstCapacity) || !stack->found.grow(*host, kFirstCapacity))) {
    thread_end(stack);
    return nullptr;
  }
  return stack;
}

void thread_reset(void* state) { static_cast<Stack*>(state)->depth = 0; }

// The stack from here outwards, whole.
std::uint32_t unwind(Stack& stack) {
  const Quiet quiet;
  const auto function = __atomic_load_n(&backtrace, __ATOMIC_ACQUIRE);
  if (!function) return 0;
  for (;;) {
    const std::uint32_t room = stack.found.capacity;
    const int count = function(stack.found.data, static_cast<int>(room));
    if (count < 0) return 0;
    if (static_cast<std::uint32_t>(count) < room || !stack.found.grow(*host, room + 1)) {
      return static_cast<std::uint32_t>(count);
    }
  }
}

void update(void* state, void* frame, memray_stack_change* change) {
  Stack& stack = *static_cast<Stack*>(state);
  const std::uint32_t count = unwind(stack);
  const auto* record = static_cast<void* const*>(frame);  // of the caller's frame pointer and the return address
  const Word caller = machine::code_address(reinterpret_cast<Word>(record[1]));
  std::uint32_t own = 0;  // frames of memray's
  while (own < count && reinterpret_cast<Word>(stack.found[own]) != caller) ++own;
  const std::uint32_t depth = count - own;
  if (depth > stack.words.capacity && !stack.words.grow(*host, depth)) {
    stack.depth = 0;
    *change = {0, 0, stack.words.data};
    return;
  }
  const auto word = [&](std::uint32_t i) { return reinterpret_cast<std::uint64_t>(stack.found[count - 1 - i]); };
  std::uint32_t same = 0;
  while (same < depth && same < stack.depth && stack.words[same] == word(same)) ++same;
  for (std::uint32_t i = same; i < depth; ++i) stack.words[i] = word(i);
  stack.depth = depth;
  *change = {same, depth - same, stack.words.data + same};
}

// libunwind's caches may be about code that is gone.
void objects_changed() {
  const Quiet quiet;
  if (flush_cache && local_space) flush_cache(*local_space, 0, 0);
}

constexpr memray_unwinder kUnwinder = {
    .size = sizeof(memray_unwinder),
    .kind = MEMRAY_STACK_NATIVE,
    .attach = attach,
    .start_with_program = nullptr,
    .recording_changed = nullptr,
    .thread_begin = thread_begin,
    .thread_reset = thread_reset,
    .thread_end = thread_end,
    .update = update,
    .objects_changed = objects_changed,
};

}  // namespace

}  // namespace memray::libunwind

MEMRAY_UNWINDER(memray::libunwind::kUnwinder, "libunwind",
                "Native stacks, by libunwind's unw_backtrace; needs libunwind in the program's system", "0.1.0");
