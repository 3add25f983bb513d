// Lines of source for the pages.
//
// A page leaves the machine, so which lines go with it is a decision of whoever makes it. By default those of Python
// files, and of files that everybody on the machine may read or run anyway.
//
// A file that was changed after the recording began would show other lines than those that ran; it shows none.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace memray::html {

enum class Confidential { by_permissions, all, none };

class SourceLines {
 public:
  SourceLines(Confidential confidential, std::int64_t recorded_ns)
      : confidential_(confidential), recorded_ns_(recorded_ns) {}

  // Without indentation, and at most a screen wide; empty if it may not be shown or cannot be read. Valid as long as
  // the object.
  std::string_view line(std::string_view file, std::uint32_t line);

  std::size_t changed_files() const { return changed_files_; }

 private:
  struct File {
    std::string text;
    std::vector<std::size_t> begin;  // of each line
  };
  File read(const std::string& name);

  Confidential confidential_;
  std::int64_t recorded_ns_;
  std::size_t changed_files_ = 0;
  std::unordered_map<std::string, File> files_;
};

}  // namespace memray::html
