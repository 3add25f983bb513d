// What the collector knows about each process image: its definitions, and how its frame words read.
#pragma once

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
  StringId name{};
  StringId file{};
  std::uint32_t first_line = 0;
  memray_line_table line_table_kind = MEMRAY_LINES_NONE;
  std::vector<std::uint8_t> line_table;
};

class Image {
 public:
  Image(std::uint32_t number, ProcessId process, Definitions& definitions)
      : number_(number), process_(process), definitions_(&definitions) {}

  std::uint32_t number() const { return number_; }
  ProcessId process() const { return process_; }

  // One definition, its parts joined. Malformed ones are ignored.
  void define(std::span<const std::byte> bytes);

  // The frame that a word of a stack change means.
  FrameId frame(std::uint32_t stack_kind, std::uint64_t word) {
    return frames_[stack_kind].get(word, [&] { return make_frame(stack_kind, word); });
  }

  std::vector<std::pair<std::string, std::string>> facts;  // since last taken: key, value
  std::vector<std::string> warnings;

  bool started = false;    // recording began
  bool stopped = false;    // ... and ended
  bool executing = false;  // exec was called and has not failed
  bool ended = false;

 private:
  FrameId make_frame(std::uint32_t stack_kind, std::uint64_t word);
  void define_code(std::span<const std::byte> bytes);

  std::uint32_t number_;
  ProcessId process_;
  Definitions* definitions_;
  std::vector<Code> codes_;  // by number
  WordMap frames_[MEMRAY_STACK_KINDS];
};

}  // namespace memray::collector
