// How the recorder gets into a program, and out of its way.
//
// The recorder and the plugins are in LD_PRELOAD; `-z initfirst` makes the recorder's constructor the first code of the
// process to run, before any other library's constructors allocate. Not even libc's has run then, so this file must not
// make the dynamic loader run constructors: libc's would be given the arguments and the environment that only libc's
// own constructor makes known, and the program would find none. Hence the plugins are preloaded, not opened here, and
// their own constructors (they should have none) run later. The environment variable MEMRAY_SESSION says where the
// shared memory is (a file of the collector's /proc entry, so nothing is left in the program's descriptor table) and
// which process is meant: a child that got the variable by accident stays unrecorded. Variable and LD_PRELOAD entry are
// then removed, so that the program sees the environment that it would have without us; exec.cc puts them back for an
// exec of this very process.
#include "stamps.h"
#include "thread.h"

#include <unistd.h>

namespace memray::recorder {

namespace {
volatile std::uint32_t never_recording = 0;
}

Process process{.recording = &never_recording};

namespace {

constexpr char kSessionVariable[] = "MEMRAY_SESSION=";
constexpr char kPreloadVariable[] = "LD_PRELOAD=";

bool starts_with(const char* s, const char* prefix) {
  while (*prefix != '\0') {
    if (*s++ != *prefix++) return false;
  }
  return true;
}

bool equal(const char* a, const char* b, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    if (a[i] != b[i]) return false;
  }
  return b[size] == '\0' || b[size] == ':';
}

// In place of a process number: whoever has the variable is meant.
constexpr std::uint32_t kAnyProcess = 0;

// MEMRAY_SESSION=<pid>:<path>
const char* parse_session(const char* value, std::uint32_t* pid) {
  std::uint32_t number = 0;
  while (*value >= '0' && *value <= '9') number = number * 10 + static_cast<std::uint32_t>(*value++ - '0');
  if (*value != ':') return nullptr;
  *pid = number;
  return value + 1;
}

void remove_variable(char** variable) {
  do variable[0] = variable[1];
  while (*variable++ != nullptr);
}

// Removes from LD_PRELOAD the entries that `ours` lists, both separated by colons (or spaces).
bool contains_entry(const char* list, const char* entry, std::size_t size) {
  while (*list != '\0') {
    if (equal(entry, list, size)) return true;
    while (*list != '\0' && *list != ':') ++list;
    if (*list == ':') ++list;
  }
  return false;
}

void strip_preload(char** variable, const char* ours) {
  char* value = *variable + sizeof kPreloadVariable - 1;
  char* to = value;
  const char* from = value;
  while (*from != '\0') {
    const char* entry = from;
    while (*from != '\0' && *from != ':' && *from != ' ') ++from;
    const auto size = static_cast<std::size_t>(from - entry);
    const bool keep = size != 0 && !contains_entry(ours, entry, size);
    const char separator = *from;
    if (separator != '\0') ++from;
    if (!keep) continue;
    if (to != value) *to++ = ':';
    for (std::size_t i = 0; i < size; ++i) *to++ = entry[i];
  }
  *to = '\0';
  if (to == value) remove_variable(variable);
}

void fail(const char* why) {
  session::Image& image = *process.image;
  std::size_t i = 0;
  for (; why[i] != '\0' && i + 1 < sizeof image.why; ++i) image.why[i] = why[i];
  image.why[i] = '\0';
  image.state.store(session::ImageState::failed, std::memory_order_release);
}

bool load_plugins() {
  const session::Control& control = *process.control;
  for (std::uint32_t i = 0; i < control.unwinders_count; ++i) {
    const void* descriptor = find_symbol(text(control.unwinders[i]), "memray_plugin");
    const auto* plugin = checked_plugin(descriptor, MEMRAY_PLUGIN_UNWINDER);
    if (!plugin) return fail("an unwinder plugin could not be loaded into the program"), false;
    if (const char* why = use_unwinder(*plugin, true)) return fail(why), false;
  }
  for (std::uint32_t i = 0; i < control.hooks_count; ++i) {
    const void* descriptor = find_symbol(text(control.hooks[i]), "memray_plugin");
    const auto* plugin = checked_plugin(descriptor, MEMRAY_PLUGIN_HOOKS);
    if (!plugin) return fail("a hook plugin could not be loaded into the program"), false;
    if (const char* why = use_hooks(*plugin, true)) return fail(why), false;
  }
  if (const char* why = install_hooks()) return fail(why), false;
  return true;
}

bool map_session(const char* path) {
  const int fd = sys::open(path, O_RDWR);
  if (fd < 0) return false;
  void* session = sys::map_shared(fd, session::kSessionBytes);
  sys::close(fd);
  if (!session) return false;
  if (use_session(session)) return true;
  sys::unmap(session, session::kSessionBytes);
  return false;
}

char** arguments = nullptr;

// The collector could ask /proc, but a short-lived process is gone by then.
void tell_command() {
  session::Image& image = *process.image;
  std::size_t size = 0;
  for (char** word = arguments; word && *word; ++word) {
    if (size != 0 && size + 1 < sizeof image.command) image.command[size++] = ' ';
    for (const char* c = *word; *c != '\0' && size + 1 < sizeof image.command; ++c) image.command[size++] = *c;
  }
  image.command[size] = '\0';
}

void begin() {
  if (!load_plugins()) return;
  bool waits_for_program = false;
  // Where children are followed, one that is no interpreter belongs to what is recorded once recording has begun.
  if (process.control->start_with_program) {
    waits_for_program = true;  // a wrapper (the shell of a pyenv shim) is not what is to be recorded
    for (const memray_unwinder* unwinder : process.unwinders) {
      if (unwinder && unwinder->start_with_program && unwinder->start_with_program()) process.image->python = 1;
    }
    if (!process.image->python && process.control->started.load(std::memory_order_relaxed)) waits_for_program = false;
  }
  process.image->state.store(session::ImageState::attached, std::memory_order_release);
  if (!waits_for_program) start_recording();
}

// The variables stay: they are what children are recognised by.
void follow() {
  if (!take_image(0)) return;
  follow_forks();
  begin();
}

void attach(char** envp) {
  char** session_variable = nullptr;
  char** preload_variable = nullptr;
  for (char** variable = envp; *variable; ++variable) {
    if (starts_with(*variable, kSessionVariable)) session_variable = variable;
    if (starts_with(*variable, kPreloadVariable)) preload_variable = variable;
  }
  if (!session_variable) return;
  const char* path = parse_session(*session_variable + sizeof kSessionVariable - 1, &process.pid);
  const std::uint32_t pid = sys::getpid();
  const bool meant = path && (process.pid == pid || process.pid == kAnyProcess) && map_session(path);
  process.pid = pid;
  if (meant && process.control->follow) return follow();
  if (meant && preload_variable) strip_preload(preload_variable, text(process.control->preload));
  for (char** variable = envp; *variable; ++variable) {
    if (starts_with(*variable, kSessionVariable)) {
      remove_variable(variable);
      break;
    }
  }
  if (meant && take_image(0)) begin();
}

__attribute__((constructor)) void recorder_loaded(int, char** argv, char** envp) {
  if (!envp) return;
  environ = envp;  // as libc is about to do; what is called below may look at it
  arguments = argv;
  attach(envp);
}

int is_interrupting() { return process.interrupting; }

int has_native_stacks() { return process.unwinders[MEMRAY_STACK_NATIVE] != nullptr; }

int define_code_for_plugins(const memray_code* code) { return define_code(code); }

}  // namespace

const memray_unwinder_host unwinder_host = {
    sizeof(memray_unwinder_host),
    0,
    take_memory,
    return_memory,
    define_code_for_plugins,
    describe,
    warn,
    start_recording,
    stop_recording,
    name_thread,
    set_quiet,
    tracks_objects,
    define_type,
    object_created,
    object_destroyed,
    is_interrupting,
    has_native_stacks,
};

const memray_plugin_descriptor* checked_plugin(const void* descriptor, memray_plugin_kind kind) {
  const auto* plugin = static_cast<const memray_plugin_descriptor*>(descriptor);
  const bool fits = plugin && plugin->magic == MEMRAY_PLUGIN_MAGIC && plugin->abi_version == MEMRAY_ABI_VERSION &&
                    plugin->kind == static_cast<std::uint32_t>(kind);
  return fits ? plugin : nullptr;
}

// The page stays for the life of the process: hooks know its address.
bool use_session(void* session) {
  auto* control = static_cast<session::Control*>(session);
  if (control->magic != session::kMagic || control->version != session::kVersion) return false;
  if (process.recording == &never_recording) {
    void* page = sys::map(4096);
    if (!page) return false;
    sys::call(SYS_madvise, reinterpret_cast<long>(page), 4096, MADV_WIPEONFORK);
    process.recording = static_cast<volatile std::uint32_t*>(page);
  }
  process.control = control;
  process.start_stamp = control->start_stamp;
  process.use_tsc = control->clock == session::Clock::tsc;
  ++process.generation;
  reset_definitions();
  process.session = session;
  process.epoch.fetch_add(1, std::memory_order_acq_rel);
  return true;
}

const char* use_unwinder(const memray_plugin_descriptor& plugin, bool fresh) {
  const auto* unwinder = static_cast<const memray_unwinder*>(plugin.interface);
  if (fresh) {
    if (const char* why = unwinder->attach(&unwinder_host)) return why;
  }
  process.unwinders[unwinder->kind] = unwinder;
  if (unwinder->kind == MEMRAY_STACK_NATIVE) describe("native_traces", "yes");
  return nullptr;
}

const char* use_hooks(const memray_plugin_descriptor& plugin, bool fresh) {
  const auto* hooks = static_cast<const memray_hooks*>(plugin.interface);
  if (fresh) {
    if (const char* why = hooks->attach(&recorder_interface())) return why;
  }
  process.hooks[process.hooks_count++] = hooks;
  return nullptr;
}

const char* install_hooks() {
  for (std::uint32_t i = 0; i < process.hooks_count; ++i) {
    if (const char* why = process.hooks[i]->install()) return why;
  }
  return nullptr;
}

void uninstall_hooks() {
  for (std::uint32_t i = 0; i < process.hooks_count; ++i) {
    if (process.hooks[i]->recording_changed) process.hooks[i]->recording_changed(0);
    process.hooks[i]->uninstall();
  }
}

// A process may be killed at any moment in here. Whose a slot is stands in it before it counts, so that the collector
// can tell one that will not be filled in any more from one that is slow.
static std::uint32_t claim_image(session::Control& control) {
  std::uint32_t number = control.images.load(std::memory_order_acquire);
  for (std::uint32_t nobody = 0; number < session::kMaxImages; ++number, nobody = 0) {
    if (control.image[number].claimed.compare_exchange_strong(nobody, process.pid)) break;
  }
  if (number == session::kMaxImages) return number;
  for (std::uint32_t count = control.images.load(std::memory_order_relaxed); count <= number;) {
    if (control.images.compare_exchange_weak(count, number + 1, std::memory_order_acq_rel)) break;
  }
  return number;
}

bool take_image(std::uint32_t forked_from) {
  session::Control& control = *process.control;
  const std::uint32_t number = claim_image(control);
  if (number >= session::kMaxImages) return false;
  process.image_number = number;
  process.image = &control.image[number];
  process.image->parent_pid = sys::getppid();
  process.image->forked_from = forked_from;
  process.image->start_stamp = now();
  tell_memory();
  tell_command();
  process.image->pid.store(process.pid, std::memory_order_release);
  return true;
}

void start_recording_from(void* frame) {
  if (!process.session || *process.recording || sys::getpid() != process.pid) return;
  process.epoch.fetch_add(1, std::memory_order_acq_rel);
  for (const memray_unwinder* unwinder : process.unwinders) {
    if (unwinder && unwinder->recording_changed) unwinder->recording_changed(1);
  }
  for (std::uint32_t i = 0; i < process.hooks_count; ++i) {
    const memray_hooks& hooks = *process.hooks[i];
    if (const char* name = hooks.allocator_name()) describe("allocator", name);
    if (hooks.recording_changed) hooks.recording_changed(1);
  }
  forget_modules();
  announce_modules();
  if (frame)
    write_mark_with_stack(session::kStart, frame);
  else
    write_mark(session::kStart);
  process.control->started.store(1, std::memory_order_relaxed);
  process.started = true;
  *process.recording = 1;
}

void start_recording() { start_recording_from(nullptr); }

void stop_recording() {
  if (!process.session || !*process.recording || sys::getpid() != process.pid) return;
  *process.recording = 0;
  process.started = false;
  for (const memray_unwinder* unwinder : process.unwinders) {
    if (unwinder && unwinder->recording_changed) unwinder->recording_changed(0);
  }
  write_mark(session::kStop);
  uninstall_hooks();
}

void abandon_recording() { *process.recording = 0; }

}  // namespace memray::recorder
