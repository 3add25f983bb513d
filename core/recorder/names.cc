// Names of threads.
//
// The kernel keeps a name of 15 characters for each thread: what pthread_setname_np and prctl set, at first that of the
// thread that made it. A thread that begins to record tells that one. What is set later passes the hooks, and for names
// that a thread gives to another, this one is looked for among those that have begun. If it is not there, it will tell
// its name when it begins: it is in the table first, and asks the kernel then.
//
// A pthread_t, and in the end a thread's id too, is used again when its thread is gone. So the newest thread that has
// it is meant, and only if that one lives.
#include "stamps.h"
#include "thread.h"

#include <sys/prctl.h>

namespace memray::recorder {

namespace {

constexpr std::uint32_t kLongest = 256;
constexpr std::uint32_t kKept = 16;  // of a name by the kernel, its end included
constexpr std::uint32_t kLongestGiven = 64;

bool lives(const Thread& thread) { return sys::call(SYS_tgkill, process.pid, thread.os_tid, 0) == 0; }

// The number of the thread whose `member` is `value`; 0 if none has begun.
template <typename Value>
std::uint32_t find_newest(Value Thread::*member, Value value) {
  for (std::uint32_t number = process.image->threads.load(std::memory_order_acquire); number != 0; --number) {
    const Thread* thread = find_thread(number);
    if (thread && thread->*member == value) return lives(*thread) ? number : 0;
  }
  return 0;
}

std::uint32_t size_of(const char* name) {
  std::uint32_t size = 0;
  while (size < kLongest && name[size] != '\0') ++size;
  return size;
}

// As much as there is room for, without a torn character at the end.
std::uint32_t cut(const char* name, std::size_t size) {
  if (size <= kLongest) return static_cast<std::uint32_t>(size);
  std::uint32_t end = kLongest;
  while (end != 0 && (name[end] & 0xc0) == 0x80) --end;
  return end;
}

// The calling thread, busy. nullptr: we are in the middle of the recorder, or there is nothing to tell to.
Thread* enter_here() { return process.session && sys::getpid() == process.pid ? enter() : nullptr; }

}  // namespace

void tell_system_name(std::uint32_t number, session::NameSource source) {
  char name[kKept] = {};
  const std::uint64_t stamp = now();
  sys::call(SYS_prctl, PR_GET_NAME, reinterpret_cast<long>(name));
  define_thread_name({stamp, number, 0, source, 0}, name, size_of(name));
}

// What prctl was given, if it is text that ends where it may be read, as the kernel cuts it; else what that kept.
static void tell_given_name(std::uint32_t number, const char* given) {
  std::uint32_t size = 0;
  constexpr std::uintptr_t kPage = 4096;
  const auto readable = [&] { return size < kKept || reinterpret_cast<std::uintptr_t>(given + size) % kPage != 0; };
  while (size < kLongestGiven && readable() && static_cast<unsigned char>(given[size]) >= ' ') ++size;
  if (size < kLongestGiven && readable() && given[size] == '\0')
    define_thread_name({now(), number, 0, session::NameSource::system, 0}, given, size);
  else
    tell_system_name(number, session::NameSource::system);
}

void thread_named(int self, unsigned long pthread, const char* name) {
  Thread* thread = enter_here();
  if (!thread) return;
  if (self) {
    tell_given_name(thread->number, name);
  } else {
    const std::uint64_t stamp = now();
    const std::uint32_t number = find_newest(&Thread::pthread, std::uintptr_t{pthread});
    if (number != 0) define_thread_name({stamp, number, 0, session::NameSource::system, 0}, name, size_of(name));
  }
  end_stamps();
  leave(thread);
}

void name_thread(std::uint32_t os_tid, const char* name, std::size_t size) {
  Thread* thread = enter_here();
  if (!thread) return;
  const std::uint64_t stamp = now();
  const std::uint32_t number = os_tid == 0 ? thread->number : find_newest(&Thread::os_tid, os_tid);
  define_thread_name({stamp, number, os_tid, session::NameSource::python, 0}, name, cut(name, size));
  end_stamps();
  leave(thread);
}

}  // namespace memray::recorder
