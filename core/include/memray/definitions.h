// What the numbers in events mean: strings, frames, stacks, sites, threads, processes, modules.
//
// Every table is append-only and numbered from 0, so a definition never changes once an event can refer to it (names of
// threads and symbols of native frames, which become known late, are the two exceptions). Entry 0 of strings is "",
// entry 0 of stacks is the empty stack. `add_*` functions return the number of an equal entry where there is one.
//
// One Definitions object is used by one thread at a time.
#pragma once

#include <memray/types.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace memray {

enum class FrameKind : std::uint8_t { python = 0, native = 1 };

// One function at one line of source.
struct Location {
  StringId function{};
  StringId file{};
  std::uint32_t line = 0;
  friend bool operator==(const Location&, const Location&) = default;
};

struct Frame {
  FrameKind kind = FrameKind::python;
  bool entry = false;           // python: first frame of its C evaluator activation
  ModuleId module = kNoModule;  // native
  std::uint64_t address = 0;    // native: return address in the process
  Location location;            // python; for native frames see Definitions::locations
  friend bool operator==(const Frame&, const Frame&) = default;
};

struct Stack {
  StackId parent = kNoStack;  // the caller's stack
  FrameId frame{};            // innermost frame
  std::uint32_t depth = 0;    // number of frames
};

// Where and what: everything about an allocation that repeats.
struct Site {
  StackId stack = kNoStack;         // Python frames
  StackId native_stack = kNoStack;  // native frames
  ThreadId thread{};
  Allocator allocator = Allocator::none;
  bool fixed_size = true;  // false: sizes differ too much at this place, each event carries its own
  std::uint64_t size = 0;  // bytes requested, where fixed_size
  friend bool operator==(const Site&, const Site&) = default;
};

struct Thread {
  ProcessId process{};
  std::uint32_t number = 0;  // 1 = the first seen in its process
  std::uint32_t os_tid = 0;
  StringId name = kNoString;
};

// From event number `event` on, a thread is called so. A thread that was never renamed has none of these.
struct NameChange {
  ThreadId thread{};
  StringId name = kNoString;
  std::uint64_t event = 0;
};

// One image of one process: exec starts another.
struct Process {
  std::uint32_t pid = 0;
  std::uint32_t parent_pid = 0;
  StringId command_line = kNoString;
  Time start{};
};

// A file mapped with executable code.
struct Module {
  ProcessId process{};
  StringId path = kNoString;
  StringId build_id = kNoString;  // hexadecimal
  std::uint64_t start = 0;        // addresses [start, end) of the executable segment
  std::uint64_t end = 0;
  std::uint64_t file_offset = 0;  // of `start` in the file
};

class Definitions {
 public:
  Definitions();
  ~Definitions();
  Definitions(Definitions&&) noexcept;
  Definitions& operator=(Definitions&&) noexcept;

  StringId add_string(std::string_view text);
  FrameId add_frame(const Frame& frame);
  StackId add_stack(StackId parent, FrameId frame);
  // The same for who reads what somebody has added: looks for no equal entry, so it takes half the time and memory.
  StackId append_stack(StackId parent, FrameId frame);
  SiteId add_site(const Site& site);
  ThreadId add_thread(const Thread& thread);      // always a new entry
  ProcessId add_process(const Process& process);  // always a new entry
  ModuleId add_module(const Module& module);      // always a new entry
  void rename_thread(ThreadId thread, StringId name);
  void add_name_change(const NameChange& change);
  // Source positions of a native frame, innermost inlined function first.
  void set_locations(FrameId frame, std::span<const Location> locations);

  std::optional<SiteId> find_site(const Site& site) const;

  // References and spans are valid until the next call that adds or sets something; a string_view for ever.
  std::string_view string(StringId id) const;
  const Frame& frame(FrameId id) const;
  const Stack& stack(StackId id) const;
  const Site& site(SiteId id) const;
  const Thread& thread(ThreadId id) const;
  const Process& process(ProcessId id) const;
  const Module& module(ModuleId id) const;
  // python: its one location; native: those set, or none.
  std::span<const Location> locations(FrameId id) const;
  // Those of one thread are in order of events; the last of them is its name.
  std::span<const NameChange> name_changes() const;
  // Every frame given to set_locations, in order of these calls.
  std::span<const FrameId> located_frames() const;

  std::size_t strings() const;
  std::size_t frames() const;
  std::size_t stacks() const;  // including the empty one
  std::size_t sites() const;
  std::size_t threads() const;
  std::size_t processes() const;
  std::size_t modules() const;

  // Frames of a stack, innermost first.
  std::vector<FrameId> frames_of(StackId stack) const;

 private:
  struct Tables;
  std::unique_ptr<Tables> tables_;
};

}  // namespace memray
