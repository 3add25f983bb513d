// Which Python package a source file belongs to.
#pragma once

#include <memray/capture.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace memray {

class PackageRules {
 public:
  // Where the recorded interpreter kept things, as far as the capture says: metadata keys "python_stdlib",
  // "python_site_packages" and "python_sys_path", folders separated by colons.
  explicit PackageRules(const Metadata& metadata);

  // The top-level package or module of a file; nothing for the standard library and for code without a file.
  std::optional<std::string> package_of(std::string_view file) const;

 private:
  std::vector<std::string> stdlib_;
  std::vector<std::string> site_packages_;
  std::vector<std::string> sys_path_;
};

// The package that each stack's memory is put down to, by stack number: of the innermost frame outside the standard
// library, or "<root>".
struct PackageOfStacks {
  std::vector<std::string> names;       // 0: "<root>"
  std::vector<std::uint32_t> of_stack;  // into `names`
};
PackageOfStacks packages_of_stacks(const Capture& capture);

}  // namespace memray
