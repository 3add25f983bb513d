// A file is placed by where it lies: frozen modules are the standard library; then the site-packages folders, which
// come before the standard library's own folder because they usually lie inside it; then that folder; then sys.path. A
// capture that does not name those folders still says enough, since they have the same shape everywhere.
//
// A parent stack is always numbered before its children, so one sweep over the stack table answers for all stacks: the
// answer of a stack is its innermost frame's, or else its parent's.

#include "query/packages.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace memray {
namespace {

constexpr std::uint32_t kUndecided = 0xffff'ffff;

std::vector<std::string> folders(const Metadata& metadata, std::string_view key) {
  std::vector<std::string> result;
  for (const auto& [name, value] : metadata.extra) {
    if (name != key) continue;
    for (std::size_t begin = 0; begin <= value.size();) {
      const std::size_t end = std::min(value.find(':', begin), value.size());
      std::string folder = value.substr(begin, end - begin);
      while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
      if (!folder.empty()) result.push_back(std::move(folder));
      begin = end + 1;
    }
  }
  return result;
}

// `file` as seen from `folder`; empty if it is not inside.
std::string_view inside(std::string_view file, std::string_view folder) {
  if (!file.starts_with(folder)) return {};
  file.remove_prefix(folder.size());
  if (folder.ends_with('/')) return file;
  return file.starts_with('/') ? file.substr(1) : std::string_view{};
}

std::string top_level(std::string_view relative) {
  const std::string_view top = relative.substr(0, relative.find('/'));
  return std::string(top.substr(0, top.find('.')));  // of "six.py" and "_cffi.cpython-311-x86_64-linux-gnu.so"
}

// What follows ".../lib/pythonX.Y/", or ".../lib/python3/" as Debian has it; empty if there is no such folder.
std::string_view below_python_folder(std::string_view file) {
  for (const std::string_view lib : {"/lib/python", "/lib64/python"}) {
    const std::size_t at = file.find(lib);
    if (at == std::string_view::npos) continue;
    const std::string_view rest = file.substr(at + lib.size());
    const std::size_t slash = rest.find('/');
    const std::string_view version = rest.substr(0, slash);
    if (slash == std::string_view::npos || !version.starts_with('3')) continue;
    return rest.substr(slash + 1);
  }
  return {};
}

bool has_no_file(std::string_view file) { return file.empty() || file.starts_with('<'); }

}  // namespace

PackageRules::PackageRules(const Metadata& metadata)
    : stdlib_(folders(metadata, "python_stdlib")),
      site_packages_(folders(metadata, "python_site_packages")),
      sys_path_(folders(metadata, "python_sys_path")) {}

std::optional<std::string> PackageRules::package_of(std::string_view file) const {
  if (has_no_file(file)) return std::nullopt;
  for (const std::string& folder : site_packages_)
    if (const auto rest = inside(file, folder); !rest.empty()) return top_level(rest);
  const std::string_view rest = below_python_folder(file);
  for (const std::string_view folder : {"site-packages", "dist-packages"})
    if (const auto package = inside(rest, folder); !package.empty()) return top_level(package);
  for (const std::string& folder : stdlib_)
    if (!inside(file, folder).empty()) return std::nullopt;
  if (!rest.empty()) return std::nullopt;
  for (const std::string& folder : sys_path_)
    if (const auto package = inside(file, folder); !package.empty()) return top_level(package);
  return std::string(file.substr(file.rfind('/') + 1));
}

PackageOfStacks packages_of_stacks(const Capture& capture) {
  const Definitions& definitions = capture.definitions();
  const PackageRules rules(capture.metadata());
  PackageOfStacks result{{"<root>"}, std::vector<std::uint32_t>(definitions.stacks())};
  std::unordered_map<std::string, std::uint32_t> number_of_name{{"<root>", 0}, {"memray", 0}};
  std::vector<std::uint32_t> number_of_file(definitions.strings(), kUndecided);
  std::vector<char> known_file(definitions.strings());

  const auto number_of = [&](StringId file) {
    std::uint32_t& number = number_of_file[index(file)];
    if (std::exchange(known_file[index(file)], 1)) return number;
    if (const auto package = rules.package_of(definitions.string(file))) {
      const auto next = static_cast<std::uint32_t>(result.names.size());
      const auto [entry, fresh] = number_of_name.try_emplace(*package, next);
      if (fresh) result.names.push_back(*package);
      number = entry->second;
    }
    return number;
  };

  for (std::uint32_t i = 1; i < definitions.stacks(); ++i) {
    const Stack& stack = definitions.stack(StackId{i});
    const Frame& frame = definitions.frame(stack.frame);
    const std::uint32_t own = frame.kind == FrameKind::python ? number_of(frame.location.file) : kUndecided;
    result.of_stack[i] = own != kUndecided ? own : result.of_stack[index(stack.parent)];
  }
  return result;
}

}  // namespace memray
