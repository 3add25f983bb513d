#include "page.h"

#include <fmt/format.h>
#include <memray/text.h>

#include <array>
#include <ostream>
#include <unordered_map>

namespace memray::flamegraph {

namespace {

// One JSON text under construction: `field` and `list` separate and quote, the rest is up to the caller.
class Json {
 public:
  void open(char bracket) { separate(), text_ += bracket, first_ = true; }
  void close(char bracket) { text_ += bracket, first_ = false; }
  void key(std::string_view name) {
    separate();
    append_json_string(text_, name);
    text_ += ':';
    first_ = true;
  }
  void value(std::string_view text) { separate(), append_json_string(text_, text); }
  void value(bool truth) { separate(), text_ += truth ? "true" : "false"; }
  void value(std::uint64_t number) { separate(), fmt::format_to(std::back_inserter(text_), "{}", number); }

  template <typename T>
  void field(std::string_view name, const T& content) {
    key(name);
    value(content);
  }
  template <typename Range, typename Member>
  void list(std::string_view name, const Range& range, Member member) {
    key(name);
    open('[');
    for (const auto& item : range) value(member(item));
    close(']');
  }
  std::string take() && { return std::move(text_); }

 private:
  void separate() {
    if (!first_) text_ += ',';
    first_ = false;
  }
  std::string text_;
  bool first_ = true;
};

// Numbers for the frames and texts that the trees refer to, in order of first use.
struct Numbering {
  std::unordered_map<std::uint32_t, std::uint64_t> number_of_frame;
  std::vector<FrameNumber> frames;
  std::unordered_map<std::string_view, std::uint64_t> number_of_text;
  std::vector<std::string_view> texts;

  std::uint64_t text(std::string_view content) {
    const auto [place, fresh] = number_of_text.try_emplace(content, texts.size());
    if (fresh) texts.push_back(content);
    return place->second;
  }
  std::uint64_t frame(FrameNumber number) {
    const auto [place, fresh] = number_of_frame.try_emplace(index(number), frames.size());
    if (fresh) frames.push_back(number);
    return place->second;
  }
};

constexpr auto kSame = [](const auto& item) { return item; };
constexpr auto kWide = [](std::uint64_t item) { return item; };

void add_tree(Json& json, std::string_view name, const Tree& tree, Numbering& numbering, bool threads) {
  json.key(name);
  json.open('{');
  json.list("depth", tree.depth, kWide);
  json.list("frame", tree.frame, [&](FrameNumber frame) { return numbering.frame(frame); });
  json.list("bytes", tree.bytes, kWide);
  json.list("count", tree.count, kWide);
  if (threads) json.list("thread", tree.thread, kWide);
  json.field("merged", tree.merged);
  json.close('}');
}

void add_frames(Json& json, const FrameTable& frames, Numbering& numbering) {
  const auto text = [&](auto member) {
    return [&numbering, &frames, member](FrameNumber frame) { return numbering.text(frames[frame].*member); };
  };
  json.key("frames");
  json.open('{');
  json.list("function", numbering.frames, text(&DisplayFrame::function));
  json.list("file", numbering.frames, text(&DisplayFrame::file));
  json.list("line", numbering.frames, [&](FrameNumber frame) { return std::uint64_t{frames[frame].line}; });
  json.list("native", numbering.frames,
            [&](FrameNumber frame) { return std::uint64_t{frames[frame].kind == FrameKind::native}; });
  json.list("special", numbering.frames,
            [&](FrameNumber frame) { return std::uint64_t{frame <= FrameTable::kMerged}; });
  json.close('}');
}

void add_facts(Json& json, const std::vector<Page::Fact>& facts) {
  constexpr std::array<std::string_view, 5> kUnits = {"text", "count", "bytes", "milliseconds", "epoch"};
  json.key("facts");
  json.open('[');
  for (const Page::Fact& fact : facts) {
    json.open('{');
    json.field("label", fact.label);
    json.field("unit", kUnits[static_cast<std::size_t>(fact.unit)]);
    if (fact.unit == Page::Unit::text) {
      json.field("value", std::string_view(fact.text));
    } else {
      json.field("value", fact.number);
    }
    json.close('}');
  }
  json.close(']');
}

std::string json_of(const Page& page) {
  Json json;
  Numbering numbering;
  json.open('{');
  json.field("title", std::string_view(page.title));
  json.field("leaks", page.leaks);
  json.field("inverted", page.inverted);
  add_tree(json, "tree", page.tree, numbering, !page.threads.empty());
  if (page.without_imports.size() > 0) {
    add_tree(json, "withoutImports", page.without_imports, numbering, !page.threads.empty());
  }
  add_frames(json, *page.frames, numbering);
  json.list("strings", numbering.texts, kSame);
  json.list("threads", page.threads, [](const std::string& label) { return std::string_view(label); });
  json.key("memory");
  json.open('{');
  json.list("time", page.memory, [](const MemoryPoint& point) { return point.milliseconds; });
  json.list("rss", page.memory, [](const MemoryPoint& point) { return point.rss; });
  json.list("heap", page.memory, [](const MemoryPoint& point) { return point.heap; });
  json.close('}');
  json.list("notes", page.notes, [](const std::string& note) { return std::string_view(note); });
  add_facts(json, page.facts);
  json.close('}');
  return std::move(json).take();
}

// Between <script> tags "<" could begin the end tag or a comment. In JSON it only occurs in strings, where an escape
// says the same.
void write_escaped_json(std::ostream& out, std::string_view json) {
  for (std::size_t next = json.find('<'); next != std::string_view::npos; next = json.find('<')) {
    out << json.substr(0, next) << "\\u003c";
    json.remove_prefix(next + 1);
  }
  out << json;
}

void write_escaped_text(std::ostream& out, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '<':
        out << "&lt;";
        break;
      case '&':
        out << "&amp;";
        break;
      default:
        out << c;
    }
  }
}

}  // namespace

void write_page(std::ostream& out, const Page& page) {
  constexpr std::string_view kTitle = "@TITLE@";
  constexpr std::string_view kData = "@DATA@";
  const std::string_view html = page_template();
  const std::size_t title = html.find(kTitle);
  const std::size_t data = html.find(kData, title);
  out << html.substr(0, title);
  write_escaped_text(out, page.title);
  out << html.substr(title + kTitle.size(), data - title - kTitle.size());
  write_escaped_json(out, json_of(page));
  out << html.substr(data + kData.size());
}

}  // namespace memray::flamegraph
