// The script makes a thread and ends. Handlers of signals, which are Python code that the program runs in its main
// thread, could otherwise be run inside of the script, and what they raise (KeyboardInterrupt, SystemExit) would end
// there. The thread connects to our socket and does what it is told, one packet after the other, until we go away. What
// it is told are four words, so that the same steps are taken as with ptrace, in the same order:
//
//     take            a descriptor comes with it; answers its number
//     load N          dlopen of descriptor N
//     call ADDRESS N  answers the text that the function leaves, if it does not return 0
//     close N
//
// An answer begins with "=", or with "!" if it says what went wrong. Of `ctypes` only the module in C is used: to find
// the other one takes a look into the folders that the program imports from. A process that has not come to run the
// script by the time that we lose patience, or are interrupted, finds nothing to run later, or nobody at the socket.
#include "attach/injection.h"
#include "attach/remote_exec.h"
#include "attach/script_folder.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

namespace memray::attach {

namespace {

constexpr int kPatienceMilliseconds = 20'000;
constexpr int kAgainMilliseconds = 500;
constexpr int kSeconds = 20;  // for an answer
constexpr std::size_t kMostBytes = 4096;

// What the thread does.
constexpr std::string_view kWork = R"python(
def memray_attach():
    import _ctypes, _socket, os

    class Character(_ctypes._SimpleCData):
        _type_ = "c"

    class Number(_ctypes._SimpleCData):
        _type_ = "i"

    class Function(_ctypes.CFuncPtr):
        _flags_ = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_PYTHONAPI
        _restype_ = Number

    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC)
    taken = set()

    def obey(ancillary, command, *numbers):
        numbers = [int(number) for number in numbers]
        if command == b"take":
            number = int.from_bytes(ancillary[0][2], "little")
            taken.add(number)
            return b"%d" % number
        if command == b"load":
            _ctypes.dlopen("/proc/self/fd/./%d" % numbers[0], os.RTLD_NOW | os.RTLD_LOCAL)
        elif command == b"call":
            text = (Character * {size})()
            if Function(numbers[0])(numbers[1], text) != 0:
                raise RuntimeError(text.value.decode())
        elif command == b"close":
            taken.discard(numbers[0])
            os.close(numbers[0])
        return b""

    try:
        connection.setblocking(True)
        connection.connect("{socket}")
        while True:
            words, ancillary, _, _ = connection.recvmsg({most}, _socket.CMSG_SPACE(4), _socket.MSG_CMSG_CLOEXEC)
            if not words:
                break
            try:
                connection.send(b"=" + obey(ancillary, *words.split()))
            except Exception as error:
                connection.send(b"!" + str(error).encode()[:{size}])
    except OSError:
        pass
    for number in taken:
        os.close(number)
    connection.close()

memray_attach()
)python";

// As little as possible: what a handler raises before the first instruction is lost, printed by the interpreter.
constexpr std::string_view kScript = R"python(__import__("_thread").start_new_thread(exec, ("""{}""", {{}})))python";

std::string script(const std::string& socket, std::size_t answer_bytes) {
  const std::string work = fmt::format(fmt::runtime(kWork), fmt::arg("socket", socket), fmt::arg("size", answer_bytes),
                                       fmt::arg("most", kMostBytes));
  return fmt::format(fmt::runtime(kScript), work);
}

// While it lives, signals that end a process do not end this one, but can be waited for.
class Interruption {
 public:
  Interruption() {
    sigset_t ending;
    sigemptyset(&ending);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&ending, signal);
    sigprocmask(SIG_BLOCK, &ending, &before_);
    fd_ = signalfd(-1, &ending, SFD_CLOEXEC);
  }
  ~Interruption() {
    close(fd_);
    sigprocmask(SIG_SETMASK, &before_, nullptr);  // one that has come ends us here
  }
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

  int fd() const { return fd_; }

 private:
  sigset_t before_;
  int fd_;
};

class ScriptInjection : public Injection {
 public:
  explicit ScriptInjection(pid_t pid);
  ~ScriptInjection() override;
  ScriptInjection(const ScriptInjection&) = delete;
  ScriptInjection& operator=(const ScriptInjection&) = delete;

  File make_memory_file(const std::string& name) override;
  void close(File& file) override;
  void load(int there) override;
  void call(std::uint64_t function, int number) override;
  void forget() override { disconnect(); }

 private:
  void disconnect();
  bool accept_from(int listening);
  bool wait_for_connection(RemoteExec& interpreter, const std::string& path, int listening, int interruption);
  // Throws AttachError with what went wrong in the process.
  std::string tell(const std::string& words, int descriptor = -1);

  pid_t pid_;
  int connection_ = -1;
};

// From the process, and from nobody else who has found the socket.
bool ScriptInjection::accept_from(int listening) {
  ucred peer{};
  socklen_t size = sizeof peer;
  connection_ = accept4(listening, nullptr, nullptr, SOCK_CLOEXEC);
  if (connection_ < 0) return false;
  if (getsockopt(connection_, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid == pid_) return true;
  disconnect();
  return false;
}

bool ScriptInjection::wait_for_connection(RemoteExec& interpreter, const std::string& path, int listening,
                                          int interruption) {
  const int process = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  pollfd events[] = {{listening, POLLIN, 0}, {interruption, POLLIN, 0}, {process, POLLIN, 0}};
  bool connected = false;
  for (int waited = 0; !connected && waited < kPatienceMilliseconds; waited += kAgainMilliseconds) {
    interpreter.request(path);
    const int happened = poll(events, 3, kAgainMilliseconds);
    if (events[0].revents != 0)
      connected = accept_from(listening);
    else if (happened != 0)
      break;
  }
  ::close(process);
  return connected;
}

ScriptInjection::ScriptInjection(pid_t pid) : pid_(pid) {
  RemoteExec interpreter(pid);
  const Interruption interruption;
  ScriptFolder folder(pid);
  const int listening = folder.listen();
  folder.write_script(script(folder.socket(), kAnswerBytes));
  const bool connected = wait_for_connection(interpreter, folder.script(), listening, interruption.fd());
  ::close(listening);
  interpreter.withdraw();
  if (!connected) {
    throw AttachError(
        fmt::format("the main thread of process {} has run no Python code for {} seconds; it may be waiting in "
                    "the kernel, where --method=ptrace reaches it",
                    pid, kPatienceMilliseconds / 1000));
  }
  const timeval patience{kSeconds, 0};
  setsockopt(connection_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
}

ScriptInjection::~ScriptInjection() {
  if (connection_ < 0) return;
  shutdown(connection_, SHUT_RDWR);
  disconnect();
}

void ScriptInjection::disconnect() {
  ::close(connection_);
  connection_ = -1;
}

std::string ScriptInjection::tell(const std::string& words, int descriptor) {
  iovec text{const_cast<char*>(words.data()), words.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  if (descriptor >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  }
  char answer[kMostBytes];
  ssize_t size = sendmsg(connection_, &message, MSG_NOSIGNAL);
  if (size >= 0) size = recv(connection_, answer, sizeof answer, 0);
  if (size <= 0) throw AttachError(fmt::format("process {} has ended, or does not answer any more", pid_));
  std::string said(answer + 1, static_cast<std::size_t>(size) - 1);
  if (answer[0] != '=') throw AttachError(said);
  return said;
}

Injection::File ScriptInjection::make_memory_file(const std::string& name) {
  File file;
  constexpr unsigned kExecutable = 0x10;  // MFD_EXEC, without which newer kernels warn
  for (const unsigned flags : {MFD_CLOEXEC | kExecutable, unsigned{MFD_CLOEXEC}}) {
    file.here = memfd_create(name.c_str(), flags);
    if (file.here >= 0) break;
  }
  if (file.here < 0) throw AttachError("there is no shared memory for a recording");
  file.there = std::atoi(tell("take", file.here).c_str());
  return file;
}

void ScriptInjection::close(File& file) {
  if (file.here >= 0) ::close(file.here);
  if (file.there >= 0) tell(fmt::format("close {}", file.there));
  file = {};
}

void ScriptInjection::load(int there) { tell(fmt::format("load {}", there)); }

void ScriptInjection::call(std::uint64_t function, int number) { tell(fmt::format("call {} {}", function, number)); }

}  // namespace

std::unique_ptr<Injection> enter_by_script(pid_t pid) { return std::make_unique<ScriptInjection>(pid); }

}  // namespace memray::attach
