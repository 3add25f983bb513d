// A process that records itself: <memray/embed.h>.
//
// The process makes the shared memory and gives it to a collector that it starts. It speaks with the collector through
// two words in that memory, of which it keeps a small mapping of its own: a request, and the answer. Nothing stays in
// its table of descriptors.
#include "collector_process.h"
#include "syscalls.h"
#include "thread.h"

#include <memray/embed.h>

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

namespace memray::recorder {

namespace {

constexpr std::size_t kControlBytes = session::kPoolOffset;
constexpr std::size_t kSavedBytes = 64 << 10;

enum class Phase { closed, opened, recording, left };

struct Embedded {
  Phase phase = Phase::closed;
  std::uint32_t pid = 0;  // of the process that opened it
  session::Control* control = nullptr;
  int session = -1;  // until started
  int collector = 0;
  std::uint32_t flags = 0;
  char* saved = nullptr;  // command and arguments, for children
};
Embedded embedded;

// Holds the number of the process, so that a child knows that whoever held it is not in it.
std::atomic<std::uint32_t> lock{0};

class Locked {
 public:
  Locked() {
    const std::uint32_t own = sys::getpid();
    for (std::uint32_t holder = 0; !lock.compare_exchange_weak(holder, own, std::memory_order_acquire);) {
      if (holder != own && holder != 0) continue;  // a parent's: taken from it
      holder = 0;
      sys::sleep(1);
    }
  }
  ~Locked() { lock.store(0, std::memory_order_release); }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;
};

int fail(char* why, std::size_t size, const char* text) {
  if (why && size != 0) std::snprintf(why, size, "%s", text);
  return -1;
}

void close_embedded() {
  if (embedded.session >= 0) sys::close(embedded.session);
  if (embedded.control) sys::unmap(embedded.control, kControlBytes);
  if (embedded.saved) sys::unmap(embedded.saved, kSavedBytes);
  embedded = {};
}

// In a child that was forked while its parent had a recording open.
void forget_parent() {
  if (embedded.phase == Phase::closed || embedded.pid == sys::getpid()) return;
  leave_session_of_parent();
  close_embedded();
}

// The command and the arguments, each with its zero, an empty one at the end.
bool save(const memray_embed_options& options) {
  embedded.saved = static_cast<char*>(sys::map(kSavedBytes));
  if (!embedded.saved) return false;
  std::size_t used = 0;
  auto add = [&](const char* word) {
    const std::size_t size = std::strlen(word) + 1;
    if (used + size + 1 > kSavedBytes) return false;
    std::memcpy(embedded.saved + used, word, size);
    used += size;
    return true;
  };
  if (!add(options.command)) return false;
  for (const char* const* word = options.arguments; word && *word; ++word) {
    if (!add(*word)) return false;
  }
  return true;
}

// The collector says one line: "" when it is ready, else what is wrong. Then it closes the pipe.
bool hear(int reply, char* text, std::size_t size) {
  std::size_t used = 0;
  bool line = false;
  while (used + 1 < size) {
    const long n = sys::call(SYS_read, reply, reinterpret_cast<long>(text + used), static_cast<long>(size - 1 - used));
    if (n == -4 /* EINTR */) continue;
    if (n <= 0) break;
    used += static_cast<std::size_t>(n);
    line = text[used - 1] == '\n';
    if (line) break;
  }
  text[line ? used - 1 : used] = '\0';
  return line;
}

int make_session() {
  const int fd = static_cast<int>(sys::call(SYS_memfd_create, reinterpret_cast<long>("memray"), 1 /* MFD_CLOEXEC */));
  if (fd < 0) return -1;
  if (sys::call(SYS_ftruncate, fd, static_cast<long>(session::kSessionBytes)) == 0) return fd;
  sys::close(fd);
  return -1;
}

int open_session(const memray_embed_options& options, const char* extra, char* why, std::size_t size) {
  embedded.session = make_session();
  if (embedded.session < 0) return fail(why, size, "there is no shared memory for a recording");
  embedded.control = static_cast<session::Control*>(sys::map_shared(embedded.session, kControlBytes));
  if (!embedded.control) return fail(why, size, "there is no memory for a recording");
  CollectorProcess collector;
  if (const char* refused = start_collector(options.command, options.arguments, extra, embedded.session, &collector)) {
    return fail(why, size, refused);
  }
  prepare_barrier();  // takes a while, as the collector does
  char text[512];
  const bool answered = hear(collector.reply, text, sizeof text);
  sys::close(collector.reply);
  if (!answered) return fail(why, size, "the collector ended before it was ready");
  if (text[0] != '\0') return fail(why, size, text);
  embedded.collector = collector.pid;
  return 0;
}

int open_recording(const memray_embed_options& options, const char* extra, char* why, std::size_t size) {
  if (open_session(options, extra, why, size) != 0) {
    close_embedded();
    return -1;
  }
  embedded.pid = sys::getpid();
  embedded.flags = options.flags;
  embedded.phase = Phase::opened;
  return 0;
}

int start_recording_here(char* why, std::size_t size) {
  embedded.control->main_tid = sys::gettid();
  embedded.control->records_itself = 1;
  const char* refused = join(embedded.session);
  sys::close(embedded.session);
  embedded.session = -1;
  if (refused) return fail(why, size, refused);
  embedded.phase = Phase::recording;
  start_recording_from(__builtin_frame_address(0));
  return 0;
}

int ask(session::Request request, char* why, std::size_t size) {
  session::Control& control = *embedded.control;
  control.request = request;
  const std::uint32_t number = control.requested.fetch_add(1, std::memory_order_acq_rel) + 1;
  sys::futex_wake(&control.requested);
  for (;;) {
    const std::uint32_t answered = control.answered.load(std::memory_order_acquire);
    if (answered == number) break;
    if (!session::collector_lives(control)) return fail(why, size, "the collector has ended");
    sys::futex_wait(&control.answered, answered, 20);
  }
  return control.answer_is_error ? fail(why, size, control.answer) : 0;
}

int finish(char* why, std::size_t size) {
  if (embedded.phase != Phase::left) return 0;
  const int result = ask(session::Request::finish, why, size);
  sys::call(SYS_wait4, embedded.collector, 0, __WALL, 0);  // it is our child only if orphans come to us
  close_embedded();
  return result;
}

// ------------------------------------------------------------------------------------------------ the table

int embed_open(const memray_embed_options* options, char* why, std::size_t size) {
  Locked locked;
  forget_parent();
  finish(nullptr, 0);  // for a thread that has left and not yet finished
  if (embedded.phase != Phase::closed || process.session)
    return fail(why, size, "this process is already being recorded by memray");
  if (!save(*options)) return close_embedded(), fail(why, size, "there is no memory for a recording");
  return open_recording(*options, nullptr, why, size);
}

int embed_start(char* why, std::size_t size) {
  Locked locked;
  forget_parent();
  if (embedded.phase != Phase::opened) return fail(why, size, "there is no recording that could be started");
  return start_recording_here(why, size);
}

void embed_name_thread(std::uint32_t os_tid, const char* name) { name_thread(os_tid, name, std::strlen(name)); }

void embed_leave() {
  Locked locked;
  forget_parent();
  if (embedded.phase != Phase::opened && embedded.phase != Phase::recording) return;
  leave();
  embedded.phase = Phase::left;
}

int embed_finish(char* why, std::size_t size) {
  Locked locked;
  forget_parent();
  return finish(why, size);
}

int embed_stop(char* why, std::size_t size) {
  embed_leave();
  return embed_finish(why, size);
}

int embed_is_recording() { return embedded.phase == Phase::recording && embedded.pid == sys::getpid(); }

int ask_while_recording(session::Request request, char* why, std::size_t size) {
  Locked locked;
  forget_parent();
  if (embedded.phase != Phase::recording) return fail(why, size, "nothing is being recorded");
  return ask(request, why, size);
}

int embed_flush(char* why, std::size_t size) { return ask_while_recording(session::Request::flush, why, size); }
int embed_reset_peak(char* why, std::size_t size) {
  return ask_while_recording(session::Request::reset_peak, why, size);
}
void embed_ignore(int on) { ignore_thread(on != 0); }
void embed_describe(const char* key, const char* value) {
  if (embed_is_recording()) describe(key, value);
}
int embed_ready() {
  Locked locked;
  forget_parent();
  if (embedded.phase == Phase::closed || !session::collector_lives(*embedded.control)) return -1;
  return embedded.control->ready.load(std::memory_order_acquire) != 0;
}

}  // namespace

void embedded_in_child() {
  if (embedded.phase != Phase::recording || (embedded.flags & MEMRAY_EMBED_FOLLOW_FORK) == 0) return;
  const bool was_recording = process.started;
  lock.store(0);
  leave_session_of_parent();
  Embedded parent = embedded;
  embedded = {};
  embedded.saved = parent.saved;
  parent.saved = nullptr;
  sys::unmap(parent.control, kControlBytes);
  const char* words[256];
  std::size_t count = 0;
  const char* word = embedded.saved + std::strlen(embedded.saved) + 1;
  for (; *word != '\0' && count + 1 < std::size(words); word += std::strlen(word) + 1) words[count++] = word;
  words[count] = nullptr;
  char suffix[32];
  std::snprintf(suffix, sizeof suffix, "--suffix=.%u", sys::getpid());
  const memray_embed_options options{sizeof options, parent.flags, embedded.saved, words};
  if (!was_recording || open_recording(options, suffix, nullptr, 0) != 0) return;
  if (start_recording_here(nullptr, 0) != 0) close_embedded();
}

}  // namespace memray::recorder

extern "C" __attribute__((visibility("default"))) const memray_embed memray_embed = {
    sizeof(memray_embed),           0,
    memray::recorder::embed_open,   memray::recorder::embed_start,
    memray::recorder::embed_stop,   memray::recorder::embed_is_recording,
    memray::recorder::embed_flush,  memray::recorder::embed_reset_peak,
    memray::recorder::embed_ignore, memray::recorder::embed_describe,
    memray::recorder::embed_ready,  memray::recorder::embed_leave,
    memray::recorder::embed_finish, memray::recorder::embed_name_thread,
};
