// An unwinder for tests: native stacks of programs that keep frame pointers, and of nothing else. It reports as little
// as the interface allows (the frames that are the same words as before are not repeated), so that what depends on
// being told anew shows.
#include <memray/unwinder.h>

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

namespace {

constexpr uint32_t kMaxDepth = 256;

struct State {
  uint64_t frames[kMaxDepth];  // outermost first
  uint32_t depth;
};

const memray_unwinder_host* host;

const char* attach(const memray_unwinder_host* given) {
  host = given;
  return nullptr;
}

void* thread_begin() { return host->map(sizeof(State)); }
void thread_reset(void* state) { static_cast<State*>(state)->depth = 0; }
void thread_end(void* state) { host->unmap(state, sizeof(State)); }

// The register may hold anything where a caller keeps no frame pointer.
bool read(uint64_t address, uint64_t (&words)[2]) {
  const iovec to{words, sizeof words};
  const iovec from{reinterpret_cast<void*>(address), sizeof words};
  const int error = errno;
  const bool ok = process_vm_readv(getpid(), &to, 1, &from, 1, 0) == sizeof words;
  errno = error;
  return ok;
}

void update(void* opaque, void* frame, memray_stack_change* change) {
  auto* state = static_cast<State*>(opaque);
  uint64_t found[kMaxDepth];  // innermost first
  uint32_t depth = 0;
  uint64_t at = reinterpret_cast<uint64_t>(frame);
  uint64_t words[2];
  while (depth < kMaxDepth && at % 16 == 0 && read(at, words) && words[1] != 0) {
    found[depth++] = words[1];
    if (words[0] <= at) break;
    at = words[0];
  }
  uint32_t keep = 0;
  while (keep < depth && keep < state->depth && state->frames[keep] == found[depth - 1 - keep]) ++keep;
  for (uint32_t i = keep; i < depth; ++i) state->frames[i] = found[depth - 1 - i];
  state->depth = depth;
  *change = {keep, depth - keep, state->frames + keep};
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
    .objects_changed = nullptr,
};

}  // namespace

MEMRAY_UNWINDER(kUnwinder, "testfp", "Native stacks by frame pointers, for tests", "0.1.0");
