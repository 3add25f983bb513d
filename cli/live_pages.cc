#include "live_pages.h"

#include "query/timeline.h"

#include <fmt/format.h>
#include <memray/text.h>

#include <algorithm>
#include <array>

namespace memray::cli {
namespace {

using Status = live::Watcher::Status;

constexpr std::size_t kMostPoints = 1000;  // of memory over time
constexpr std::string_view kEvents = "/events";

struct ViewName {
  live::View view;
  std::string_view name, label;
};
constexpr std::array<ViewName, 3> kViews = {{{live::View::current, "current", "Live now"},
                                             {live::View::peak, "peak", "Peak"},
                                             {live::View::leaked, "leaked", "Leaked so far"}}};

const ViewName& name_of(live::View view) { return *std::ranges::find(kViews, view, &ViewName::view); }

// Looks again by itself. No script, no style: nothing but this.
http::Answer waiting_page(bool refused) {
  const std::string_view text =
      refused ? "This recording cannot be watched; memray live says why." : "Waiting for the recording to begin ...";
  return {200,
          fmt::format("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" "
                      "content=\"1\"><meta name=\"color-scheme\" content=\"light dark\"><title>memray</title></head>"
                      "<body><p id=\"waiting\">{}</p></body></html>",
                      text),
          "default-src 'none'", ""};
}

// A page's own policy, from its <meta>: what the page says of itself, the header says too.
std::string policy_of(std::string_view html) {
  constexpr std::string_view kBegin = "http-equiv=\"Content-Security-Policy\" content=\"";
  const auto begin = html.find(kBegin);
  if (begin == std::string_view::npos) return "default-src 'none'";
  html.remove_prefix(begin + kBegin.size());
  return std::string(html.substr(0, html.find('"')));
}

// When a program has ended nothing of it is live: what is shown is what it had at the last moment that is known, or at
// least what it left behind.
live::Question question(live::View view, const live::LiveState& state) {
  if (view != live::View::current || !state.ended()) return {view};
  const auto moments = state.moments();
  return moments.empty() ? live::Question{live::View::leaked, Time{}} : live::Question{view, moments.back()};
}

std::string_view what_is_held(live::View view, const live::LiveState& state) {
  if (view == live::View::peak) return "live at the peak";
  if (view == live::View::leaked) return "leaked so far";
  return state.ended() ? "live before the end" : "live now";
}

}  // namespace

LivePages::LivePages(live::Watcher& watcher, const Installation& installation) : watcher_(watcher) {
  for (const std::string& name : plugin_names(installation.plugin_path, PluginKind::reporter)) {
    try {
      LoadedReporter reporter(find_plugin(installation.plugin_path, PluginKind::reporter, name));
      if (reporter.follows()) pages_.push_back({name, std::move(reporter)});
    } catch (const std::exception&) {
      continue;  // memray plugins tells why
    }
  }
  if (pages_.empty())
    throw Failure("no report that can follow a recording is installed: memray-reporter-flamegraph.so is one");
}

std::optional<LivePages::Wanted> LivePages::wanted(std::string_view path, std::string_view view) {
  const auto shown = std::ranges::find(kViews, view.empty() ? kViews.front().name : view, &ViewName::name);
  if (shown == kViews.end() || !path.starts_with('/')) return std::nullopt;
  path.remove_prefix(1);
  const auto page = path.empty() ? pages_.begin() : std::ranges::find(pages_, path, &Page::name);
  if (page == pages_.end()) return std::nullopt;
  return Wanted{&*page, shown->view};
}

http::Answer LivePages::answer(const http::Request& request) {
  std::string_view path = request.path;
  const bool follow = path.ends_with(kEvents);
  if (follow) path.remove_suffix(kEvents.size());
  const auto asked = wanted(path, request.parameter("view"));
  if (!asked) return {404, "There is no such page.", "default-src 'none'", ""};
  try {
    if (follow) {
      const std::string topic = fmt::format("/{} {}", asked->page->name, name_of(asked->view).name);
      const http::Text first = event(topic);
      return {200, first ? *first : ":\n\n", "default-src 'none'", topic};
    }
    const auto state = watcher_.look();
    if (state->capture() == nullptr) return waiting_page(watcher_.status() == Status::refused);
    const std::string html = make(*asked, *state, true).html;
    return {200, html, policy_of(html), ""};
  } catch (const std::exception& error) {
    return {500, printable(error.what()), "default-src 'none'", ""};
  }
}

LivePages::Mark LivePages::mark(const live::LiveState& state) const {
  return {state.beginnings(), state.latest(), state.totals().allocations, watcher_.status()};
}

// For live.ts.
std::string LivePages::status(const Wanted& wanted, const live::LiveState& state) const {
  const Status status = watcher_.status();
  const bool over = status == Status::ended || status == Status::refused;
  std::string text =
      fmt::format(R"({{"state":"{}","view":"{}","held":"{}","page":{},"pages":[)",
                  state.ended() ? "ended"
                  : over        ? "lost"
                                : "recording",
                  name_of(wanted.view).name, what_is_held(wanted.view, state), json_string(wanted.page->name));
  for (const Page& page : pages_) text += (&page == &pages_.front() ? "" : ",") + json_string(page.name);
  text += R"(],"views":[)";
  for (const ViewName& view : kViews)
    text += fmt::format(R"({}["{}","{}"])", &view == &kViews.front() ? "" : ",", view.name, view.label);
  return text + "]}";
}

LivePage LivePages::make(const Wanted& wanted, const live::LiveState& state, bool html) {
  const Snapshot snapshot = state.snapshot(question(wanted.view, state));
  return wanted.page->reporter.live({.capture = *state.capture(),
                                     .snapshot = snapshot,
                                     .view = wanted.view == live::View::leaked ? View::leaks : View::peak,
                                     .now = state.latest(),
                                     .totals = state.totals(),
                                     .memory = timeline(state.samples(), kMostPoints),
                                     .status = status(wanted, state)},
                                    html);
}

// The latest about a topic, "/PAGE VIEW"; nothing if nothing has come.
http::Text LivePages::event(const std::string& topic) {
  const auto space = topic.find(' ');
  const Wanted asked = *wanted(topic.substr(0, space), topic.substr(space + 1));
  const auto state = watcher_.look();
  if (state->capture() == nullptr) return nullptr;
  Event& latest = events_[topic];
  if (const Mark now = mark(*state); !latest.text || latest.mark != now)
    latest = {now, std::make_shared<const std::string>(http::event_of(make(asked, *state, false).data))};
  return latest.text;
}

void LivePages::publish(http::Server& server) {
  for (const std::string& topic : server.topics()) {
    const auto before = events_.find(topic);
    const http::Text known = before == events_.end() ? nullptr : before->second.text;
    if (const http::Text text = event(topic); text && text != known) server.publish(topic, text);
  }
}

}  // namespace memray::cli
