// Following fork().
//
// A forked child has a copy of everything: of the thread that forked, with the chunk it was writing to, and of locks
// that other threads may have held. `recording` reads zero in it, so nothing is written until libc calls us in the
// child. Then the child becomes an image of its own, with threads numbered from one; only what the parent has told of
// code objects stays true, and the collector looks there for what the child does not describe itself.
//
// Where children are not followed, the child gives back the memory that it shares with its parent's collector.
//
// A child made without libc (a raw clone) is never told to us, and stays unrecorded. One made by vfork or posix_spawn
// shares the parent's memory until it execs; what it allocates is the parent's.
#include "process.h"
#include "syscalls.h"
#include "thread.h"

#include <pthread.h>

namespace memray::recorder {

namespace {

void in_child() {
  if (!process.session) return;
  if (!process.control->follow) {
    embedded_in_child();
    // Not if a signal handler has forked in the middle of an event, to which it may return.
    if (process.session && sys::getpid() != process.pid && !in_recorder()) forget_session_of_parent();
    return;
  }
  process.pid = sys::getpid();
  const std::uint32_t parent = process.image_number;
  if (!take_image(parent + 1)) {
    process.session = nullptr;
    return;
  }
  reset_definitions();
  reset_threads_in_child();
  process.image->state.store(session::ImageState::attached, std::memory_order_release);
  if (!process.started) return;
  write_mark(session::kStart);
  *process.recording = 1;
}

}  // namespace

void follow_forks() { pthread_atfork(nullptr, nullptr, in_child); }

}  // namespace memray::recorder
