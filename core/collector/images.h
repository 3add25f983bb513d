// What the collector knows about each process image: its definitions, and how its frame words read.
#pragma once

#include "collector/memory_sampler.h"
#include "collector/module_timeline.h"
#include "collector/process_probe.h"
#include "collector/stack_cache.h"
#include "collector/word_map.h"
#include "session/layout.h"

#include <memray/definitions.h>
#include <memray/unwinder.h>

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace memray::collector {

// A code object as the recorder described it. The line table is kept until the recording ends, because a line is
// looked up when an instruction of it is first seen on a stack.
struct Code {
  bool known = false;
  StringId name{};
  StringId file{};
  std::uint32_t first_line = 0;
  memray_line_table line_table_kind = MEMRAY_LINES_NONE;
  std::vector<std::uint8_t> line_table;
};

inline constexpr FrameId kOwnFrame{0xffff'ffff};

class Image {
 public:
  // `parent`: the image that this one is a fork of, or nullptr. It outlives this one.
  Image(std::uint32_t number, std::uint32_t pid, ProcessId process, const Image* parent, Definitions& definitions,
        const ModuleSetting& modules)
      : probe(pid),
        number_(number),
        pid_(pid),
        process_(process),
        parent_(parent),
        definitions_(&definitions),
        modules_(process, definitions, modules) {}

  std::uint32_t number() const { return number_; }
  std::uint32_t pid() const { return pid_; }
  ProcessId process() const { return process_; }
  bool recording() const { return started && !stopped && !ended; }

  // One definition, its parts joined. Malformed ones are ignored.
  void define(std::span<const std::byte> bytes);

  // What is asked from now on is about the moment `stamp`, which never goes back. Returns whether words changed their
  // meaning.
  bool advance(std::uint64_t stamp) {
    if (!modules_.advance(stamp)) [[likely]]
      return false;
    frames_[MEMRAY_STACK_NATIVE].clear();
    stacks_[MEMRAY_STACK_NATIVE].clear();
    return true;
  }
  // Words mean the same until further notice.
  bool steady() const { return modules_.steady(); }

  // The name of a type of objects.
  StringId type(std::uint32_t number) const;

  // The stack that has the frame of a word of a stack change on top of `parent`. memray's own code is on no stack.
  StackId push(std::uint32_t stack_kind, StackId parent, std::uint64_t word) {
    return stacks_[stack_kind].get(parent, word, [&] {
      const FrameId frame = frames_[stack_kind].get(word, [&] { return make_frame(stack_kind, word); });
      return frame == kOwnFrame ? parent : definitions_->add_stack(parent, frame);
    });
  }

  ProcessProbe probe;
  MemorySampler sampler;
  std::vector<std::pair<std::string, std::string>> facts;  // since last taken: key, value
  std::vector<std::string> warnings;
  std::vector<std::pair<session::ThreadName, StringId>> thread_names;  // likewise

  bool started = false;          // recording began
  bool stopped = false;          // ... and ended
  bool executing = false;        // exec was called and has not failed
  bool ended = false;            // the image is no more, and everything of it has been read
  bool replaced = false;         // by a later image of the same process
  Image* predecessor = nullptr;  // the image that this one replaced by exec, or nullptr

 private:
  FrameId make_frame(std::uint32_t stack_kind, std::uint64_t word);
  void define_code(std::span<const std::byte> bytes);
  void define_thread_name(std::span<const std::byte> bytes);
  void define_type(std::span<const std::byte> bytes);

  const Code* code(std::uint32_t number) const;
  ModuleTimeline::Place place(std::uint64_t address) const;
  bool has_modules() const { return !modules_.empty() || (parent_ && parent_->has_modules()); }

  std::uint32_t number_;
  std::uint32_t pid_;
  ProcessId process_;
  const Image* parent_;
  Definitions* definitions_;
  ModuleTimeline modules_;
  std::vector<Code> codes_;      // by number
  std::vector<StringId> types_;  // likewise
  WordMap frames_[MEMRAY_STACK_KINDS];
  StackCache stacks_[MEMRAY_STACK_KINDS];
};

}  // namespace memray::collector
