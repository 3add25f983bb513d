// The pages of a recording that is made: one a reporter that can follow it, at /NAME, and what is new for it, at
// /NAME/events. Both take `view`: current, peak or leaked.
#pragma once

#include "loaded_reporter.h"

#include "http/server.h"
#include "live/watcher.h"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace memray::cli {

class LivePages {
 public:
  // Throws Failure if there is no such reporter.
  LivePages(live::Watcher& watcher, const Installation& installation);

  http::Answer answer(const http::Request& request);
  // Hands what is new to those who follow it.
  void publish(http::Server& server);

 private:
  struct Page {
    std::string name;
    LoadedReporter reporter;
  };
  struct Wanted {
    Page* page;
    live::View view;
  };
  // Of the recording, when something was made of it: nothing is made again while this is as it was.
  using Mark = std::tuple<std::uint64_t, Time, std::uint64_t, live::Watcher::Status>;
  struct Event {
    Mark mark;
    http::Text text;
  };

  std::optional<Wanted> wanted(std::string_view path, std::string_view view);
  LivePage make(const Wanted& wanted, const live::LiveState& state, bool html);
  http::Text event(const std::string& topic);
  Mark mark(const live::LiveState& state) const;
  std::string status(const Wanted& wanted, const live::LiveState& state) const;

  live::Watcher& watcher_;
  std::vector<Page> pages_;
  std::map<std::string, Event, std::less<>> events_;  // the latest, by topic
};

}  // namespace memray::cli
