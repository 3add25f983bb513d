// Labels of threads, numbered in the order in which they come up.
#pragma once

#include <memray/query.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace memray::html {

class ThreadList {
 public:
  explicit ThreadList(const Definitions& definitions) : definitions_(definitions) {}

  std::uint32_t number(ThreadId id) {
    const auto [place, fresh] = number_of_.try_emplace(id, static_cast<std::uint32_t>(labels_.size()));
    if (fresh) labels_.push_back(thread_label(definitions_, id));
    return place->second;
  }
  std::vector<std::string> take() && { return std::move(labels_); }

 private:
  const Definitions& definitions_;
  std::map<ThreadId, std::uint32_t> number_of_;
  std::vector<std::string> labels_;
};

}  // namespace memray::html
