// Names that are found while a recording goes on are those that are found when it is over.
#include "symbols/early_names.h"

#include "symbols/resolve.h"

#include <dlfcn.h>
#include <link.h>
#include <catch2/catch.hpp>

#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace memray;

// The file that a function is in, as a module of its whole size, and a frame in that function.
FrameId add_frame_in(Definitions& definitions, const void* function) {
  Dl_info info{};
  link_map* map = nullptr;
  REQUIRE(dladdr1(function, &info, reinterpret_cast<void**>(&map), RTLD_DL_LINKMAP) != 0);
  const std::string path = map->l_name[0] != '\0' ? map->l_name : "/proc/self/exe";
  const auto start = reinterpret_cast<std::uint64_t>(info.dli_fbase);
  Module module{};
  module.path = definitions.add_string(path);
  module.start = start;
  module.end = start + (1 << 30);
  Frame frame{};
  frame.kind = FrameKind::native;
  frame.module = definitions.add_module(module);
  frame.address = reinterpret_cast<std::uint64_t>(function) + 2;  // of a return into it
  return definitions.add_frame(frame);
}

struct Recording {
  Definitions definitions;
  symbols::ModuleFiles files;
  std::vector<FrameId> frames;
};

void add_frames(Recording& recording, const std::vector<const void*>& functions) {
  for (const void* function : functions) recording.frames.push_back(add_frame_in(recording.definitions, function));
}

std::vector<std::string> names(const Recording& recording) {
  std::vector<std::string> found;
  for (const FrameId frame : recording.frames) {
    std::string text;
    for (const Location& l : recording.definitions.locations(frame))
      text += std::string(recording.definitions.string(l.function)) + " " + std::to_string(l.line) + "\n";
    found.push_back(text);
  }
  return found;
}

bool all_found(const Recording& recording) {
  for (const FrameId frame : recording.frames)
    if (recording.definitions.locations(frame).empty()) return false;
  return true;
}

const std::vector<const void*> kFirst = {reinterpret_cast<const void*>(&std::strtol),
                                         reinterpret_cast<const void*>(&dlsym)};
const std::vector<const void*> kThen = {reinterpret_cast<const void*>(&std::qsort),
                                        reinterpret_cast<const void*>(&std::strtoul)};

void step_until_found(symbols::EarlyNames& early, Recording& recording) {
  for (int i = 0; i < 60'000 && !all_found(recording); ++i) {
    early.step(recording.definitions, recording.files);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  REQUIRE(all_found(recording));
}

}  // namespace

TEST_CASE("names found early are the names found at the end") {
  Recording at_end;
  add_frames(at_end, kFirst);
  add_frames(at_end, kThen);
  symbols::resolve(at_end.definitions, at_end.files, {});
  CHECK(names(at_end)[0].find("strtol") != std::string::npos);
  CHECK(names(at_end)[1].find("dlsym") != std::string::npos);

  Recording early;
  {
    symbols::EarlyNames lookup;
    add_frames(early, kFirst);
    step_until_found(lookup, early);
    add_frames(early, kThen);  // in a file that is open already
    step_until_found(lookup, early);
    lookup.stop(early.definitions);
  }
  CHECK(names(early) == names(at_end));
  const auto located = early.definitions.located_frames().size();
  symbols::resolve(early.definitions, early.files, {});
  CHECK(early.definitions.located_frames().size() == located);  // once each
}

TEST_CASE("what is not found before the end is found then") {
  Recording recording;
  add_frames(recording, kFirst);
  symbols::EarlyNames lookup;
  lookup.step(recording.definitions, recording.files);
  lookup.stop(recording.definitions);  // most likely in the middle
  symbols::resolve(recording.definitions, recording.files, {});
  CHECK(all_found(recording));
  CHECK(recording.definitions.located_frames().size() == recording.frames.size());
}
