// memray live: watching a recording while it is made.
#include "arguments.h"
#include "cli.h"
#include "live_screen.h"
#include "live_web.h"

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
#include <iterator>
#include <memory>

namespace memray::cli {
namespace {

constexpr int kBetweenLooks = 50;  // milliseconds

constexpr auto kUsageLine = "memray live [options] [HOST:]PORT | unix:PATH";

constexpr auto kDescription =
    "Watches a recording while it is made: one of memray run --live-remote, or of --sink=socket. The program does not\n"
    "wait for it, and goes on when it ends. With --web it is watched in a browser: flame graph, table, memory over "
    "time.\n"
    "Else without a terminal it is followed until it or a q on standard input ends it.";

constexpr auto kFooter =
    "Keys on the terminal: q quit, ? help, space pause, t o a sort, / filter, v now, peak or leaks, [ ] time, m < >\n"
    "threads, p process, s save. [HOST:]PORT#TOKEN for recordings of other users and machines. docs/live.md has more.";

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

// Whether there is a q in what can be read. At its end, nothing is to be waited for any more.
bool says_quit(pollfd& input) {
  if (input.revents == 0) return false;
  char text[64];
  const ssize_t count = read(input.fd, text, sizeof text);
  if (count <= 0) input.fd = -1;
  return count > 0 && std::memchr(text, 'q', static_cast<std::size_t>(count)) != nullptr;
}

// Without a terminal it is only followed, and written into the file, if there is one, until the recording or the user
// ends it.
int follow(const live::Address& address, const live::LiveState::Keep& keep) {
  using Status = live::Watcher::Status;
  const int input = isatty(STDIN_FILENO) != 0 ? -1 : STDIN_FILENO;
  pollfd waits[] = {{ending_signals(), POLLIN, 0}, {input, POLLIN, 0}};  // before there is a thread
  live::Watcher watcher(address, keep);
  bool stopped = false;
  while (!stopped && (watcher.status() == Status::connecting || watcher.status() == Status::connected))
    stopped = poll(waits, std::size(waits), kBetweenLooks) > 0 && (waits[0].revents != 0 || says_quit(waits[1]));
  if (const std::string problem = watcher.problem(); !problem.empty()) throw Failure(problem);
  const auto state = watcher.look();
  if (!stopped && !state->ended())
    throw Failure(std::string("the connection has ended before the recording") +
                  (keep ? "; what came is in the file" : ""));
  const Totals totals = state->totals();
  if (!keep && totals.allocations != 0)
    fmt::print("{} allocations, {} live, {} at the peak\n", totals.allocations, size_text(state->live_bytes()),
               size_text(totals.peak_bytes));
  return kSuccess;
}

}  // namespace

int live_command(const Installation& installation, const Arguments& arguments) {
  std::string where, output;
  bool force = false, web = false;
  std::uint16_t web_port = 0;
  Command command(kDescription, kUsageLine);
  command.footer(kFooter);
  command.add_option("address", where, "Where it is served, as memray run has printed it")
      ->option_text(" [HOST:]PORT | unix:PATH")
      ->required();
  command.add_option("-o,--output", output, "Write what comes into a file, too: a capture that every report reads")
      ->option_text(" FILE");
  command.add_flag("-f,--force", force, "Overwrite it, if it is there");
  command.add_flag("--web", web, "Serve pages to a browser on this machine, and print their address");
  const CLI::Option* const port =
      command.add_option("--web-port", web_port, "The same, on this port")->option_text(" PORT");
  if (!command.read(arguments)) return kSuccess;
  web = web || port->count() > 0;
  const live::Address address = address_of(where);

  std::shared_ptr<Kept> kept;
  if (!output.empty()) kept = std::make_shared<Kept>(output, force);
  live::LiveState::Keep keep;
  if (kept) keep = [kept](std::span<const std::byte> bytes, bool beginning) { kept->write(bytes, beginning); };
  if (web) {
    const int ending = ending_signals();  // before there is a thread
    live::Watcher watcher(address, keep);
    return watch_in_browser(watcher, installation, web_port, ending);
  }
  if (isatty(STDOUT_FILENO) == 0) return follow(address, keep);
  live::Watcher watcher(address, keep);
  watch_on_terminal(watcher);
  if (const std::string problem = watcher.problem(); !problem.empty()) throw Failure(problem);
  return kSuccess;
}

}  // namespace memray::cli
