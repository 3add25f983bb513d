// Which name a thread has, of those that were told about it, before or after it recorded for the first time.
#pragma once

#include "collector/streams.h"
#include "session/layout.h"

#include <memray/definitions.h>

#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

namespace memray::collector {

class ThreadNames {
 public:
  explicit ThreadNames(Definitions& definitions) : definitions_(&definitions) {}

  void add(std::uint32_t image, const session::ThreadName& whose, StringId name);

  // `stream.id` has been made for the stream's thread.
  void made(const session::Image& image, const Stream& stream);

  // The thread that forked goes on in the child, and its name with it (the kernel's does by itself). To be called when
  // all names have been added that were told before the threads made so far.
  void inherit();

 private:
  struct Name {
    StringId text = kNoString;
    session::NameSource source{};
    std::uint64_t stamp = 0;
  };
  struct Thread {
    Name name;
    bool made = false;
    ThreadId id{};
  };
  void offer(Thread& thread, const Name& name);

  Definitions* definitions_;
  std::unordered_map<std::uint64_t, Thread> threads_;  // by image and number
  std::unordered_map<std::uint64_t, Name> unclaimed_;  // by image and OS thread id
  std::vector<std::pair<std::uint64_t, std::uint64_t>> heirs_;
};

}  // namespace memray::collector
