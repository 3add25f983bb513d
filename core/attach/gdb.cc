// gdb stops all threads. One that can be made to load a library is looked for by the names that are on its stack, as in
// safe_place.cc but with gdb's eyes; if there is none, a thread is stepped on a little. While functions are
// called, the others run.
#include "attach/gdb.h"

#include "attach/target.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <vector>

namespace memray::attach {

namespace {

constexpr std::string_view kScript = R"python(
import gdb

LIBRARIES = ("ld-linux", "ld-2.", "libjemalloc", "libtcmalloc", "libmimalloc", "librpmalloc", "libmemray-", "memray-")
FUNCTIONS = ("free", "cfree", "valloc", "pvalloc", "fork", "vfork", "Fork", "exit", "abort")
BEGINNINGS = ("malloc", "calloc", "realloc", "memalign", "posix_memalign", "aligned_alloc", "libc_malloc", "libc_free", "int_",
              "sysmalloc", "systrim", "arena_", "tcache_", "ptmalloc", "je_", "mi_", "tc_", "dl_", "dlopen", "dlclose", "dlsym",
              "libc_dl", "dladdr", "pthread_create", "nptl_", "allocate_stack", "libc_fork", "run_exit")

def is_avoided(frame):
    name = (frame.name() or "").removeprefix("__GI_").lstrip("_")
    return library(frame).startswith(LIBRARIES) or name in FUNCTIONS or name.startswith(BEGINNINGS)

def library(frame):
    return (gdb.solib_name(frame.pc()) or "").rsplit("/", 1)[-1]

def in_system_call(frame):
    before = bytes(gdb.selected_inferior().read_memory(frame.pc() - 4, 4))
    return before[2:] == b"\x0f\x05" or (not frame.architecture().name().startswith("i386") and before == b"\x01\x00\x00\xd4")

def is_safe():
    frame, depth = gdb.newest_frame(), 0
    if library(frame).startswith("libc.so") and not in_system_call(frame):
        return False
    while frame is not None and depth < 256:
        if is_avoided(frame):
            return False
        try:
            frame, depth = frame.older(), depth + 1
        except gdb.error:
            break
    return True

def find_thread():
    for _ in range(100):
        for thread in gdb.selected_inferior().threads():
            thread.switch()
            if is_safe():
                return
        gdb.execute("stepi 300", to_string=True)
    raise gdb.error("no thread came to a place where a library could be loaded")

def call(result, arguments, function, *values):
    return gdb.parse_and_eval("((%s (*)(%s))%s)(%s)" % (result, arguments, function, ", ".join(map(str, values))))

def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

def work(recorder, function, path):
    find_thread()
    if recorder and int(call("void*", "const char*, int", "dlopen", quoted(recorder), 2)) == 0:
        raise gdb.error(call("char*", "void", "dlerror").string())
    descriptor = 0
    if path:
        descriptor = int(call("int", "const char*, int", "open", quoted(path), 0o2000002))
        if descriptor < 0:
            raise gdb.error("the process cannot open " + path + "; it has another user or another /proc")
    text = int(call("void*", "unsigned long", "malloc", 512))
    result = int(call("int", "int, char*", function, descriptor, "(char*)%d" % text))
    why = "" if result == 0 else gdb.Value(text).cast(gdb.lookup_type("char").pointer()).string()
    call("void", "void*", "free", "(void*)%d" % text)
    if path:
        call("int", "int", "close", descriptor)
    return why

def say(result):
    print("\nmemray:" + result)

try:
    say(work(*WORK))
except Exception as error:
    say(str(error) or repr(error))
)python";

// As Python writes it.
std::string python_text(std::string_view text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') result += '\\';
    result += c == '\n' ? "\\n" : std::string(1, c);
  }
  return result + "'";
}

// What it prints. Throws AttachError if there is no gdb.
std::string run_gdb(pid_t pid, const std::string& script) {
  int out[2];
  if (pipe2(out, O_CLOEXEC) != 0) throw AttachError("too many open files");
  const std::string number = std::to_string(pid), python = "python exec(" + script + ")";
  const pid_t child = fork();
  if (child < 0) throw AttachError("no process can be made for gdb");
  if (child == 0) {
    dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), 0);
    dup2(out[1], 1);
    dup2(out[1], 2);
    execlp("gdb", "gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off", "-ex", "set unwindonsignal on", "-p",
           number.c_str(), "-ex", python.c_str(), nullptr);
    _exit(127);
  }
  close(out[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = read(out[0], buffer, sizeof buffer)) > 0 || (n < 0 && errno == EINTR);)
    if (n > 0) text.append(buffer, static_cast<std::size_t>(n));
  close(out[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
    throw AttachError("gdb is not installed; --method=ptrace needs none");
  return text;
}

// gdb's own complaint, if it did not come to what it was to do.
std::string complaint(const std::string& text) {
  for (const std::string_view start : {"ptrace: ", "Could not attach", "Python scripting is not supported"}) {
    const auto found = text.find(start);
    if (found != text.npos) return text.substr(found, text.find('\n', found) - found);
  }
  return "it does not say why";
}

}  // namespace

void call_by_gdb(pid_t pid, const std::filesystem::path& recorder, const std::string& function,
                 const std::string& file) {
  const std::string script = fmt::format("{}, dict(WORK=({}, {}, {}))", python_text(kScript),
                                         python_text(recorder.native()), python_text(function), python_text(file));
  const std::string text = run_gdb(pid, script);
  constexpr std::string_view kResult = "\nmemray:";
  const auto found = text.find(kResult);
  if (found == text.npos) throw AttachError(fmt::format("gdb cannot attach to process {}: {}", pid, complaint(text)));
  const auto from = found + kResult.size();
  const std::string why = text.substr(from, text.find('\n', from) - from);
  if (!why.empty()) throw AttachError(fmt::format("gdb cannot do it in process {}: {}", pid, why));
}

}  // namespace memray::attach
