// `memray objects`: which Python objects are still there when recording ends, by type, and which code made them.

#include <fmt/format.h>
#include <memray/objects.h>
#include <memray/reporter.h>
#include <memray/text.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <ostream>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

namespace memray::objects_report {
namespace {

struct TypeTotal {
  std::string_view type;
  std::uint64_t created = 0;
  std::uint64_t surviving = 0;
  std::vector<ObjectGroup> groups;  // most survivors first
};

struct Report {
  std::vector<TypeTotal> types;  // likewise
  std::uint64_t created = 0;
  std::uint64_t surviving = 0;
};

Report by_type(const Capture& capture) {
  Report report;
  std::unordered_map<StringId, std::size_t> place;
  for (const ObjectGroup& group : object_groups(capture)) {
    const auto [found, fresh] = place.try_emplace(group.type, report.types.size());
    if (fresh) report.types.push_back({capture.definitions().string(group.type), 0, 0, {}});
    TypeTotal& type = report.types[found->second];
    type.created += group.created;
    type.surviving += group.surviving;
    type.groups.push_back(group);
    report.created += group.created;
    report.surviving += group.surviving;
  }
  std::ranges::stable_sort(report.types, [](const TypeTotal& a, const TypeTotal& b) {
    return std::tie(a.surviving, a.created) > std::tie(b.surviving, b.created);
  });
  return report;
}

std::vector<DisplayFrame> frames_of(const Capture& capture, const ObjectGroup& group) {
  Group stacks;
  stacks.stack = group.stack;
  stacks.native_stack = group.native_stack;
  return display_stack(capture, stacks);
}

// As many callers as fit, but not many.
std::string stack_text(const Capture& capture, const ObjectGroup& group, std::size_t width) {
  constexpr std::size_t kShown = 3;
  constexpr std::string_view kMore = " < …";
  const auto frames = frames_of(capture, group);
  std::string text;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const std::string_view file = frames[i].file;
    const std::string frame =
        printable(fmt::format("{} ({}:{})", frames[i].function, file.substr(file.rfind('/') + 1), frames[i].line));
    const bool last = i + 1 == frames.size();
    const std::size_t needed = text_width(text) + 3 + text_width(frame) + (last ? 0 : text_width(kMore));
    if (i == kShown || (i > 0 && needed > width)) return text.append(kMore);
    text.append(i == 0 ? "" : " < ").append(frame);
  }
  return text.empty() ? "no stack" : text;
}

void print_text(const ReportContext& context, const Report& report, std::size_t rows, std::size_t stacks) {
  const Capture& capture = context.capture();
  std::ostream& out = context.out();
  const std::size_t width = context.out_is_terminal() ? static_cast<std::size_t>(std::max(context.columns(), 60)) : ~0u;
  const auto line = [&](std::uint64_t surviving, std::uint64_t created, const std::string& what) {
    out << shorten_middle(fmt::format("{:>12} {:>12}  {}", surviving, created, what), width) << '\n';
  };
  out << fmt::format("{} of {} Python objects made while recording were there at its end.\n", report.surviving,
                     report.created);
  if (report.types.empty()) return;
  out << fmt::format("\n{:>12} {:>12}  {}\n", "surviving", "made", "type, and the stacks of most survivors");
  for (std::size_t i = 0; i < std::min(rows, report.types.size()); ++i) {
    const TypeTotal& type = report.types[i];
    line(type.surviving, type.created, printable(type.type));
    for (std::size_t k = 0; k < std::min(stacks, type.groups.size()) && type.groups[k].surviving != 0; ++k)
      line(type.groups[k].surviving, type.groups[k].created, "  " + stack_text(capture, type.groups[k], width - 29));
  }
  if (rows < report.types.size())
    out << fmt::format("{} of {} types shown; -r N shows N.\n", rows, report.types.size());
}

void add_json_group(std::string& text, const Capture& capture, const ObjectGroup& group) {
  fmt::format_to(std::back_inserter(text), "{{\"surviving\": {}, \"created\": {}, \"stack\": [", group.surviving,
                 group.created);
  std::string_view separator;
  for (const DisplayFrame& frame : frames_of(capture, group)) {
    fmt::format_to(std::back_inserter(text), "{}{{\"function\": {}, \"file\": {}, \"line\": {}}}", separator,
                   json_string(frame.function), json_string(frame.file), frame.line);
    separator = ", ";
  }
  text += "]}";
}

void print_json(const ReportContext& context, const Report& report) {
  std::string text =
      fmt::format("{{\n  \"created\": {},\n  \"surviving\": {},\n  \"types\": [", report.created, report.surviving);
  std::string_view separator = "\n    ";
  for (const TypeTotal& type : report.types) {
    fmt::format_to(std::back_inserter(text), "{}{{\"type\": {}, \"created\": {}, \"surviving\": {}, \"stacks\": [",
                   separator, json_string(type.type), type.created, type.surviving);
    separator = ",\n    ";
    std::string_view comma;
    for (const ObjectGroup& group : type.groups) {
      text += comma;
      add_json_group(text, context.capture(), group);
      comma = ",\n      ";
    }
    text += "]}";
  }
  text += report.types.empty() ? "]\n}\n" : "\n  ]\n}\n";
  context.out() << text;
}

class Objects : public Reporter {
 public:
  void declare(ReporterOptions& options) const override {
    constexpr auto kMost = std::numeric_limits<std::int32_t>::max();
    options.integer("max-rows", 'r', 20, 1, kMost, "Types to show");
    options.integer("stacks", 's', 3, 0, kMost, "Stacks to show of each type");
    options.flag("json", '\0', "Print JSON, with all types and stacks");
  }

  int run(ReportContext& context) override {
    if (!has_objects(context.capture()))
      throw ReportError(
          "this capture says nothing about objects; record with memray run --track-object-lifetimes and CPython 3.13.3 "
          "or later");
    const Report report = by_type(context.capture());
    if (context.flag("json"))
      print_json(context, report);
    else
      print_text(context, report, static_cast<std::size_t>(context.integer("max-rows")),
                 static_cast<std::size_t>(context.integer("stacks")));
    return 0;
  }
};

}  // namespace
}  // namespace memray::objects_report

MEMRAY_REPORTER(memray::objects_report::Objects, "objects", "Python objects that are still there at the end", "0.1.0")
