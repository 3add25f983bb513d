#include "target.h"

#include <memray/query.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <span>
#include <string>

#include "live/live_state.h"

namespace memray::fuzz {
namespace {

// A file in memory.
class File {
 public:
  explicit File(std::string_view bytes) : fd_(memfd_create("capture", MFD_CLOEXEC)) {
    if (fd_ < 0) std::abort();
    while (!bytes.empty()) {
      const ssize_t written = write(fd_, bytes.data(), bytes.size());
      if (written <= 0) std::abort();
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
  }
  ~File() { close(fd_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

template <typename Question>
void ask(Question question) {
  try {
    question();
  } catch (const CaptureError&) {
  }
}

void look_at(const Capture& capture, const Snapshot& snapshot) {
  for (const Group& group : snapshot.groups) {
    for (const DisplayFrame& frame : display_stack(capture, group))
      if (frame.function.size() + frame.file.size() > (std::size_t{1} << 30)) std::abort();
    thread_label(capture.definitions(), group.thread);
  }
  functions(capture, snapshot);
  for (const GroupBy property : {GroupBy::stack, GroupBy::module, GroupBy::library, GroupBy::process})
    group_by(capture, snapshot, property);
  diff(capture, snapshot, capture, snapshot);
}

// The same bytes as a stream, in pieces.
void watch(std::string_view bytes) {
  live::LiveState state;
  const std::size_t piece = 1 + bytes.size() % 997;
  ask([&] {
    for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size())))
      state.feed(std::as_bytes(std::span(bytes.substr(0, piece))));
  });
  if (state.capture() == nullptr) return;
  for (const live::View view : {live::View::current, live::View::peak, live::View::leaked})
    look_at(*state.capture(), state.snapshot({view, {}, false}));
  for (const Time time : state.moments()) state.snapshot({live::View::current, time});
  state.save({}, [](std::span<const std::byte>) {});
}

}  // namespace

void ask_everything(std::string_view bytes) {
  watch(bytes);
  const File file(bytes);
  ask([&] {
    const Capture capture(file.path());
    const Time end = capture.metadata().end;
    const Time middle{nanoseconds(end) / 2};
    describe(capture.metadata().ending);
    for (const bool merge : {true, false}) {
      const SnapshotOptions options{merge};
      ask([&] { look_at(capture, peak(capture, options)); });
      ask([&] { look_at(capture, leaks(capture, options)); });
    }
    ask([&] { statistics(capture); });
    ask([&] { temporary(capture, 1, {false}); });
    ask([&] { live_at(capture, middle); });
    ask([&] { peak_within(capture, middle, end); });
    ask([&] { leaked_within(capture, Time{0}, middle); });
    ask([&] { leaked_within(capture, middle, end); });
    ask([&] { temporary_within(capture, 1, middle, end); });
    ask([&] { temporal(capture, TemporalKind::leaks, 20); });
    ask([&] { temporal(capture, TemporalKind::high_water, 20); });
    timeline(capture, 5);
    ask([&] { capture.events(Columns::all, [](std::span<const Event>) { return true; }); });
  });
}

}  // namespace memray::fuzz
