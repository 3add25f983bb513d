#include "collector/session.h"

#include <fmt/format.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <limits>
#include <new>
#include <sstream>
#include <stdexcept>
#include <system_error>

namespace memray::collector {

namespace {

std::uint64_t monotonic_ns() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(t.tv_nsec);
}

// The time stamp counter is only trusted where the kernel trusts it.
session::Clock choose_clock() {
#if defined(__x86_64__)
  std::ifstream file("/sys/devices/system/clocksource/clocksource0/current_clocksource");
  std::string source;
  file >> source;
  return source == "tsc" ? session::Clock::tsc : session::Clock::monotonic;
#else
  return session::Clock::tsc;
#endif
}

// The dynamic loader splits LD_PRELOAD at spaces and colons, and knows no quoting.
void check_preloadable(const std::filesystem::path& file) {
  if (file.native().find_first_of(" :") == std::string::npos) return;
  throw std::runtime_error(
      fmt::format("memray is installed where no library can be preloaded from, because its path has "
                  "a space or a colon: {}",
                  file.native()));
}

}  // namespace

Session::Session(const RecordRequest& request, int memory) : fd_(memory) {
  check_preloadable(request.recorder);
  for (const TargetPlugin& plugin : request.hooks) check_preloadable(plugin.file);
  for (const TargetPlugin& plugin : request.unwinders) check_preloadable(plugin.file);
  if (fd_ < 0) fd_ = memfd_create("memray", MFD_CLOEXEC);
  if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "memfd_create");
  if (ftruncate(fd_, static_cast<off_t>(session::kSessionBytes)) != 0) {
    throw std::system_error(errno, std::generic_category(), "ftruncate");
  }
  base_ = mmap(nullptr, session::kSessionBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  if (base_ == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");

  lock_life();
  auto& c = control();
  c.magic = session::kMagic;
  c.version = session::kVersion;
  c.clock = choose_clock();
  c.start_stamp = c.clock == session::Clock::tsc ? session::read_tsc() : monotonic_ns();
  c.collector_pid = static_cast<std::uint32_t>(getpid());
  c.start_with_program = request.start_with_program;
  c.follow = request.follow_fork;
  c.track_objects = request.track_objects;
  c.drop_on_overrun = request.drop_on_overrun;
  c.limit.store(session::kBaseChunks);
  c.texts_used = 1;

  c.recorder = add_text(request.recorder.native());
  std::string preload = request.recorder.native();
  if (request.hooks.size() > session::kMaxPlugins || request.unwinders.size() > session::kMaxPlugins) {
    throw std::length_error("too many plugins");
  }
  for (const TargetPlugin& plugin : request.hooks) {
    c.hooks[c.hooks_count++] = add_text(plugin.load.empty() ? plugin.file.native() : plugin.load);
    preload += ':' + plugin.file.native();
  }
  for (const TargetPlugin& plugin : request.unwinders) {
    c.unwinders[c.unwinders_count++] = add_text(plugin.load.empty() ? plugin.file.native() : plugin.load);
    preload += ':' + plugin.file.native();
  }
  c.preload = add_text(preload);
}

// See Control::life. Locked by the thread that lives as long as this process: the one that collects.
void Session::lock_life() {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutex_init(&control().life, &attributes);
  pthread_mutex_lock(&control().life);
  pthread_mutexattr_destroy(&attributes);
}

Session::~Session() {
  if (base_ && base_ != MAP_FAILED) {
    pthread_mutex_unlock(&control().life);
    reinterpret_cast<std::atomic<std::uint32_t>&>(control().life).store(FUTEX_OWNER_DIED);
  }
  if (base_ && base_ != MAP_FAILED) munmap(base_, session::kSessionBytes);
  if (fd_ >= 0) close(fd_);
}

std::uint64_t Session::now() const {
  const auto& c = control();
  return (c.clock == session::Clock::tsc ? session::read_tsc() : monotonic_ns()) - c.start_stamp;
}

void Session::wake_waiters() {
  auto& c = control();
  c.space.fetch_add(1, std::memory_order_acq_rel);
  syscall(SYS_futex, &c.space, FUTEX_WAKE, std::numeric_limits<int>::max(), nullptr, nullptr, 0);
}

void Session::set_target(std::uint32_t pid, bool follows_exec) {
  auto& c = control();
  c.target_pid = pid;
  if (!follows_exec) return;
  c.session_variable =
      add_text(fmt::format("MEMRAY_SESSION={}:/proc/{}/fd/{}", c.follow ? 0 : pid, c.collector_pid, fd_));
}

std::vector<std::string> Session::preloaded() const {
  std::vector<std::string> files;
  std::istringstream list(control().texts + control().preload);
  for (std::string file; std::getline(list, file, ':');) files.push_back(file);
  return files;
}

std::vector<std::string> Session::environment(char* const* environ) const {
  const auto& c = control();
  constexpr std::string_view kPreload = "LD_PRELOAD=";
  std::string preload = std::string(kPreload) + (c.texts + c.preload);
  std::vector<std::string> result;
  for (; *environ; ++environ) {
    const std::string_view variable = *environ;
    if (variable.starts_with(kPreload)) {
      if (variable.size() > kPreload.size()) preload += ':' + std::string(variable.substr(kPreload.size()));
    } else {
      result.emplace_back(variable);
    }
  }
  result.push_back(std::move(preload));
  result.emplace_back(c.texts + c.session_variable);
  return result;
}

std::uint32_t Session::add_text(std::string_view text) {
  auto& c = control();
  if (c.texts_used + text.size() + 1 > session::kTextBytes) throw std::length_error("plugin paths are too long");
  const std::uint32_t at = c.texts_used;
  std::memcpy(c.texts + at, text.data(), text.size());
  c.texts[at + text.size()] = '\0';
  c.texts_used += static_cast<std::uint32_t>(text.size() + 1);
  return at;
}

}  // namespace memray::collector
