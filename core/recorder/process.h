// What the recorder knows about the process it is in.
#pragma once

#include "session/layout.h"

#include <memray/hooks.h>
#include <memray/unwinder.h>

#include <atomic>
#include <cstdint>

namespace memray::recorder {

struct Process {
  std::atomic<void*> session{nullptr};  // the shared mapping; nullptr: this process is not recorded
  session::Control* control = nullptr;
  session::Image* image = nullptr;
  std::uint32_t image_number = 0;
  bool interrupting = false;  // entering or leaving a session in a thread that memray attach has stopped somewhere
  bool started = false;  // recording was started, and not stopped: what `recording` says, but also in a forked child
  std::uint32_t pid = 0;
  std::uint64_t start_stamp = 0;
  bool use_tsc = true;
  std::atomic<bool> threaded{false};                         // more than one thread has recorded
  std::atomic<std::atomic<std::uint64_t>*> owners{nullptr};  // see stamps.h; nullptr: nobody owns anything

  // On a page of its own that is wiped in a forked child. Until it is mapped, a word that is always zero.
  volatile std::uint32_t* recording = nullptr;

  // Raised when a session is entered or left and when recording starts: threads forget what they knew before.
  std::atomic<std::uint32_t> epoch{1};
  std::uint32_t generation = 0;  // of the session: how many there have been

  // Calls in progress that use the session without a Thread marked busy.
  std::atomic<std::uint32_t> inside{0};

  const memray_hooks* hooks[session::kMaxPlugins] = {};
  std::uint32_t hooks_count = 0;
  const memray_unwinder* unwinders[MEMRAY_STACK_KINDS] = {};
};

extern Process process;

inline const char* text(std::uint32_t offset) { return process.control->texts + offset; }

// The interface that hook backends get.
const memray_recorder& recorder_interface();
extern const memray_unwinder_host unwinder_host;

// Ends recording in this process for good: the collector is gone, or asked for it.
void abandon_recording();

void write_mark(std::uint8_t item);
void write_mark_with_stack(std::uint8_t item, void* frame);

void start_recording();
// By the program itself, in a call that has `frame`: its stack is noted.
void start_recording_from(void* frame);
void stop_recording();

// attach.cc. A plugin whose descriptor is not that of a plugin of `kind` for this recorder is nullptr.
const memray_plugin_descriptor* checked_plugin(const void* descriptor, memray_plugin_kind kind);
// Makes `session`, a mapping of a session that is ready for programs, the one of this process. False: of another
// memray.
bool use_session(void* session);
// Hands the plugin to `process`. Returns NULL or why it cannot work. `fresh`: never attached before.
const char* use_unwinder(const memray_plugin_descriptor& plugin, bool fresh);
const char* use_hooks(const memray_plugin_descriptor& plugin, bool fresh);
const char* install_hooks();
void uninstall_hooks();

// join.cc. Enters the session behind `fd`, in a process that has been running; the plugins are opened here. Returns
// NULL, with recording not yet started, or why it cannot be.
const char* join(int fd);
// Ends recording and leaves the session: hooks undone, no thread inside, memory unmapped.
void leave();
// Of a forked child: what it has of its parent's session. It is forgotten where the child comes into being; hooks stay,
// and do nothing, because undoing them takes locks that another thread of the parent may have held. They are undone
// when the child has a use for it.
void forget_session_of_parent();
void leave_session_of_parent();

// embed.cc. In a forked child of a process that records itself.
void embedded_in_child();

// The address of a symbol that the loaded object `file` exports, or nullptr.
const void* find_symbol(const char* file, const char* symbol);

// Announces this process, or this image of it, to the collector. False if there are too many.
bool take_image(std::uint32_t forked_from);

// memory.cc: zeroed memory for us and for plugins, which is accounted for as ours. nullptr if there is none.
void* take_memory(std::size_t bytes);
void return_memory(void* address, std::size_t bytes);
void tell_memory();  // of a new image

// fork.cc: children made by fork() are recorded.
void follow_forks();

// modules.cc. `tell_modules` says whether something was unloaded since it was called before; the thread must be busy.
void forget_modules();
bool tell_modules();

// record.cc
void announce_modules();
std::uint32_t set_quiet(std::uint32_t quiet);
int tracks_objects();
void object_created(std::uintptr_t address, std::uint32_t type, void* frame);
void object_destroyed(std::uintptr_t address);

// names.cc
void thread_named(int self, unsigned long pthread, const char* name);
void name_thread(std::uint32_t os_tid, const char* name, std::size_t size);
void tell_system_name(std::uint32_t number, session::NameSource source);

// exec.cc
char* const* exec_environment(char* const* envp, void* storage, std::size_t storage_size);
char* const* spawn_environment(char* const* envp, void* storage, std::size_t storage_size);

// thread.cc. After the epoch has been raised with no session: waits until no thread uses the session that was left.
// False if one does not come out.
bool wait_for_threads();
// Frees what threads keep for a session that is over, and takes back the memory of threads that have ended.
void release_threads();
void prepare_barrier();

// definitions.cc
int define_code(const memray_code* code);
void reset_definitions();
bool define_modules(const void* list, std::uint32_t size);
void define_thread_name(const session::ThreadName& whose, const char* name, std::uint32_t size);
int define_type(std::uint32_t number, const char* name, std::size_t size);
void describe(const char* key, const char* value);
void warn(const char* text);

}  // namespace memray::recorder
