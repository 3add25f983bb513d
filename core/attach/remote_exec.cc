// An interpreter of 3.14 or later has, in the state of each thread, room for the path of a script and a word that says
// that it is to be run. Who may write into the memory of the process fills them in, and raises a bit in the word that
// the thread looks at between instructions. Where all this is says the interpreter itself: `_PyRuntime` begins with a
// table of offsets, made for debuggers, in which sections have grown from version to version.
//
// Only the main thread of the main interpreter is asked. It is there as long as the interpreter is; any other thread
// might end, and its memory be somebody else's, between our looking for it and our writing.
//
// The word with the bit belongs to the interpreter, which sets and clears others in it at any moment. It offers no way
// to set one from outside but to read the byte and to write it, so one that is set in between is lost. Those whose loss
// would matter are set too: the interpreter then looks for a signal or a call to be made, and finds none.
//
// The handler of a signal may raise an exception at the very place where the script would be run next. The interpreter
// then forgets the bit, and keeps the script for the next time that somebody raises it; or it is the script that the
// exception ends. So one asks again until something has come of it.
#include "attach/remote_exec.h"

#include "attach/injection.h"
#include "attach/memory.h"

#include <fmt/format.h>

#include <optional>
#include <string_view>

namespace memray::attach {

namespace {

constexpr std::uint64_t kCookie = 0x7970'6775'6265'6478;  // "xdebugpy"

// Indices into the table, in 64-bit numbers.
constexpr std::uint32_t kVersion = 1;
constexpr std::uint32_t kInterpretersHead = 5;
constexpr std::uint32_t kInterpreterId = 7, kInterpreterNext = 8, kMainThread = 10;
constexpr std::uint32_t kSupport314 = 89, kSupport315 = 105;
// Into its section for debuggers.
constexpr std::uint32_t kBreaker = 0, kThreadSupport = 1, kEnabled = 2, kPending = 3, kPath = 4, kPathBytes = 5;

constexpr std::uint8_t kSignals = 1 << 1, kCalls = 1 << 2, kExceptions = 1 << 3, kStop = 1 << 5;

bool is_python(std::string_view name) { return name.starts_with("python") || name.starts_with("libpython"); }

template <typename T>
T read(pid_t pid, std::uint64_t address) {
  T value;
  read_memory(pid, address, &value, sizeof value);
  return value;
}

bool has_table(pid_t pid, std::uint64_t address) {
  try {
    return read<std::uint64_t>(pid, address) == kCookie;
  } catch (const AttachError&) {
    return false;
  }
}

std::optional<std::uint64_t> find_symbol(pid_t pid, const Mapping& mapping) {
  try {
    return address_of(file_of(pid, mapping), 0, "_PyRuntime");
  } catch (const AttachError&) {  // a program that loads libpython has none
    return std::nullopt;
  }
}

std::uint64_t find_runtime(pid_t pid) {
  const auto mappings = mappings_of(pid);
  if (mappings.empty()) throw AttachError(why_not_permitted(pid));
  for (const Mapping& mapping : mappings) {
    if (mapping.offset != 0 || !is_python(mapping.name())) continue;
    read<std::uint64_t>(pid, mapping.start);  // complains if that is not permitted
    const auto symbol = find_symbol(pid, mapping);
    if (!symbol) continue;
    // Of an executable that is not relocated the symbol is the address.
    for (const std::uint64_t address : {mapping.start + *symbol, *symbol})
      if (has_table(pid, address)) return address;
  }
  return 0;
}

}  // namespace

RemoteExec::RemoteExec(pid_t pid) : pid_(pid), runtime_(find_runtime(pid)) {
  constexpr auto kNeeds = "--method=remote_exec needs 3.14 or 3.15, --method=ptrace none";
  if (runtime_ == 0)
    throw AttachError(fmt::format("process {} runs no CPython that can be asked to run a script; {}", pid, kNeeds));
  const std::uint64_t version = number(kVersion);
  const auto minor = version >> 16 & 0xff;
  if (version >> 24 != 3 || (minor != 14 && minor != 15))
    throw AttachError(fmt::format("process {} runs CPython {}.{}; {}", pid, version >> 24, minor, kNeeds));
  support_ = minor == 14 ? kSupport314 : kSupport315;
  find_main_thread();
  if (read<std::int32_t>(pid, interpreter_ + number(support_ + kEnabled)) == 0) {
    throw AttachError(
        fmt::format("process {} has remote debugging disabled (-X disable-remote-debug, or the variable "
                    "PYTHON_DISABLE_REMOTE_DEBUG); --method=ptrace needs none",
                    pid));
  }
}

std::uint64_t RemoteExec::number(std::uint32_t index) const {
  return read<std::uint64_t>(pid_, runtime_ + index * sizeof(std::uint64_t));
}

// The list begins with the newest interpreter.
void RemoteExec::find_main_thread() {
  constexpr int kMost = 10'000;
  interpreter_ = read<std::uint64_t>(pid_, runtime_ + number(kInterpretersHead));
  for (int i = 0; i < kMost && interpreter_ != 0; ++i) {
    if (read<std::int64_t>(pid_, interpreter_ + number(kInterpreterId)) == 0) break;
    interpreter_ = read<std::uint64_t>(pid_, interpreter_ + number(kInterpreterNext));
  }
  if (interpreter_ != 0) thread_ = read<std::uint64_t>(pid_, interpreter_ + number(kMainThread));
  if (thread_ == 0) throw AttachError(fmt::format("the interpreter of process {} is just starting or ending", pid_));
}

void RemoteExec::request(const std::string& script) {
  const std::uint64_t request = thread_ + number(support_ + kThreadSupport);
  const std::uint64_t pending = request + number(support_ + kPending);
  if (script.size() >= number(support_ + kPathBytes)) throw AttachError("the path of the script is too long");
  if (read<std::int32_t>(pid_, pending) == 0) {
    write_memory(pid_, request + number(support_ + kPath), script.c_str(), script.size() + 1);
    const std::int32_t yes = 1;
    write_memory(pid_, pending, &yes, sizeof yes);
  } else if (read_text(pid_, request + number(support_ + kPath)) != script) {
    throw AttachError(fmt::format("process {} has been asked to run another script, and not begun yet", pid_));
  }
  const std::uint64_t breaker = thread_ + number(support_ + kBreaker);
  const auto bits =
      static_cast<std::uint8_t>(read<std::uint8_t>(pid_, breaker) | kStop | kSignals | kCalls | kExceptions);
  write_memory(pid_, breaker, &bits, sizeof bits);
}

void RemoteExec::withdraw() {
  const std::int32_t no = 0;
  write_memory(pid_, thread_ + number(support_ + kThreadSupport) + number(support_ + kPending), &no, sizeof no);
}

bool runs_scripts(pid_t pid) {
  try {
    const RemoteExec interpreter(pid);
    return true;
  } catch (const AttachError&) {
    return false;
  }
}

}  // namespace memray::attach
