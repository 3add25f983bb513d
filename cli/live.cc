// memray live: watching a recording while it is made.
#include "arguments.h"
#include "cli.h"
#include "live_screen.h"
#include "report_file.h"

#include "live/watcher.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <memray/text.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>

namespace memray::cli {
namespace {

constexpr int kBetweenLooks = 50;  // milliseconds

constexpr auto kUsageLine = "memray live [options] [HOST:]PORT | unix:PATH";

constexpr auto kDescription =
    "Watches a recording while it is made: one of memray run --live-remote, or of --sink=socket. The program does not\n"
    "wait for it, and goes on when it ends.";

constexpr auto kFooter =
    "Keys: q quit, ? help, space pause, t o a sort, / filter, v now, peak or leaks, [ ] time, m < > threads, p "
    "process,\n"
    "s save. [HOST:]PORT#TOKEN for recordings of other users and machines. docs/live.md has more.";

live::Address address_of(const std::string& text) {
  try {
    return live::parse_address(text);
  } catch (const std::out_of_range& error) {
    throw Failure(error.what());
  } catch (const std::invalid_argument& error) {
    throw UsageError(error.what(), kUsageLine);
  }
}

// A file that has, at any time, a capture of what has come.
class Kept {
 public:
  Kept(std::string path, bool force) : path_(std::move(path)) {
    fd_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | (force ? O_TRUNC : O_EXCL), 0600);
    if (fd_ >= 0) return;
    if (errno == EEXIST) throw Failure(path_ + " is there already; choose another name, or overwrite it with -f");
    throw Failure(fmt::format("{} cannot be created: {}", path_, std::strerror(errno)));
  }
  ~Kept() { close(fd_); }
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;

  void write(std::span<const std::byte> bytes, bool beginning) {
    if (beginning && (ftruncate(fd_, 0) != 0 || lseek(fd_, 0, SEEK_SET) != 0)) fail();
    while (!bytes.empty()) {
      const ssize_t count = ::write(fd_, bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) fail();
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
  }

 private:
  [[noreturn]] void fail() const {
    throw Failure(fmt::format("{} cannot be written: {}", path_, std::strerror(errno)));
  }

  std::string path_;
  int fd_;
};

// Readable when the user wants to end it.
int ending_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, number);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  return signalfd(-1, &set, SFD_CLOEXEC);
}

// Without a terminal there is only the file, until the recording or the user ends it.
int keep_only(const live::Address& address, const live::LiveState::Keep& keep) {
  using Status = live::Watcher::Status;
  pollfd ending{ending_signals(), POLLIN, 0};  // before there is a thread
  live::Watcher watcher(address, keep);
  bool stopped = false;
  while (!stopped && (watcher.status() == Status::connecting || watcher.status() == Status::connected))
    stopped = poll(&ending, 1, kBetweenLooks) != 0;
  if (const std::string problem = watcher.problem(); !problem.empty()) throw Failure(problem);
  if (!stopped && !watcher.look()->ended())
    throw Failure("the connection has ended before the recording; what came is in the file");
  return kSuccess;
}

}  // namespace

int live_command(const Installation&, const Arguments& arguments) {
  std::string where, output;
  bool force = false;
  Command command(kDescription, kUsageLine);
  command.footer(kFooter);
  command.add_option("address", where, "Where it is served, as memray run has printed it")
      ->option_text(" [HOST:]PORT | unix:PATH")
      ->required();
  command.add_option("-o,--output", output, "Write what comes into a file, too: a capture that every report reads")
      ->option_text(" FILE");
  command.add_flag("-f,--force", force, "Overwrite it, if it is there");
  if (!command.read(arguments)) return kSuccess;
  const live::Address address = address_of(where);
  const bool terminal = isatty(STDOUT_FILENO) != 0;
  if (!terminal && output.empty())
    throw Failure("memray live draws on a terminal, and standard output is none; with -o FILE it needs no terminal");

  std::shared_ptr<Kept> kept;
  if (!output.empty()) kept = std::make_shared<Kept>(output, force);
  live::LiveState::Keep keep;
  if (kept) keep = [kept](std::span<const std::byte> bytes, bool beginning) { kept->write(bytes, beginning); };
  if (!terminal) return keep_only(address, keep);
  live::Watcher watcher(address, keep);
  watch_on_terminal(watcher);
  if (const std::string problem = watcher.problem(); !problem.empty()) throw Failure(problem);
  return kSuccess;
}

}  // namespace memray::cli
