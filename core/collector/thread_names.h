// Which name a thread has, and since when, of those that were told about it, before or after it recorded for the first
// time.
//
// Names are told beside the events, and take effect in their order: whoever merges events up to a moment does it in
// steps, from one `next()` to the other. What a thread is called before its first event is its name from the beginning;
// so is what Python calls it, if until then it had only the name that it inherited.
#pragma once

#include "collector/streams.h"
#include "session/layout.h"

#include <memray/definitions.h>

#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace memray::collector {

class ThreadNames {
 public:
  explicit ThreadNames(Definitions& definitions) : definitions_(&definitions) {}

  void add(std::uint32_t image, const session::ThreadName& whose, StringId name);

  // The stamp of the next name to take effect; nothing was told if there is none.
  bool waiting() const { return !told_.empty(); }
  std::uint64_t next() const { return told_.begin()->first; }
  // It does, from event number `event` on, if events have numbers.
  void apply_next(std::optional<std::uint64_t> event);

  // `stream.id` has been made for the stream's thread.
  void made(const session::Image& image, const Stream& stream);

  // The thread that forked goes on in the child, and its name with it (the kernel's does by itself). To be called when
  // all names have been added that were told before the threads made so far.
  void inherit();

 private:
  struct Name {
    StringId text = kNoString;
    session::NameSource source{};
  };
  struct Told {
    std::uint64_t thread;
    Name name;
  };
  struct Thread {
    Name name;
    Name latest;  // of those told, also if it has not taken effect yet
    StringId in_python = kNoString;
    bool made = false;
    bool renamed = false;
    ThreadId id{};
  };
  void take_effect(Thread& thread, const Name& name, std::optional<std::uint64_t> event);
  bool is_new(const Thread& thread, const Name& name) const;

  Definitions* definitions_;
  std::unordered_map<std::uint64_t, Thread> threads_;  // by image and number
  std::unordered_map<std::uint64_t, Name> unclaimed_;  // by image and OS thread id
  std::multimap<std::uint64_t, Told> told_;            // by stamp
  std::vector<std::pair<std::uint64_t, std::uint64_t>> heirs_;
};

}  // namespace memray::collector
