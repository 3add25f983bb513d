#include <memray/definitions.h>

#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <string>
#include <tuple>

namespace memray {

TEST_CASE("equal strings, frames, stacks and sites have one number each") {
  Definitions d;
  std::mt19937 random(5);
  const auto below = [&](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  std::map<std::string, StringId> strings;
  std::map<std::pair<StackId, FrameId>, StackId> stacks;
  std::map<std::tuple<StackId, ThreadId, std::uint64_t>, SiteId> sites;
  for (std::uint32_t i = 0; i < 300; ++i) d.add_frame({FrameKind::native, false, kNoModule, i, {}});
  CHECK(d.add_string("") == kNoString);
  for (int i = 0; i < 50'000; ++i) {
    const std::string text = std::string(random() % 20, 'x') + std::to_string(random() % 1000);
    const auto [string, new_string] = strings.try_emplace(text, d.add_string(text));
    REQUIRE(string->second == d.add_string(text));
    REQUIRE(d.string(string->second) == text);

    const std::pair key(StackId{below(static_cast<std::uint32_t>(d.stacks()))}, FrameId{below(300)});
    const auto [stack, new_stack] = stacks.try_emplace(key, d.add_stack(key.first, key.second));
    REQUIRE(stack->second == d.add_stack(key.first, key.second));
    REQUIRE(d.stack(stack->second).depth == d.stack(key.first).depth + 1);

    Site site;
    site.stack = stack->second;
    site.thread = ThreadId{below(3)};
    site.size = random() % 5;
    const auto before = d.find_site(site);
    const auto [known, new_site] = sites.try_emplace({site.stack, site.thread, site.size}, d.add_site(site));
    REQUIRE(before.has_value() != new_site);
    REQUIRE(d.find_site(site) == known->second);
    REQUIRE(d.site(known->second) == site);
  }
  CHECK(d.strings() == strings.size() + 1);
  CHECK(d.stacks() == stacks.size() + 1);
  CHECK(d.sites() == sites.size());
}

TEST_CASE("stacks that were appended are found by who adds") {
  Definitions d;
  std::mt19937 random(6);
  for (std::uint32_t i = 0; i < 50; ++i) d.add_frame({FrameKind::native, false, kNoModule, i, {}});
  std::map<std::pair<StackId, FrameId>, StackId> stacks;
  for (int i = 0; i < 5000; ++i) {
    const std::pair key(StackId{static_cast<std::uint32_t>(random() % d.stacks())},
                        FrameId{static_cast<std::uint32_t>(random() % 50)});
    const bool append = random() % 2 == 0 && !stacks.contains(key);
    const StackId stack = append ? d.append_stack(key.first, key.second) : d.add_stack(key.first, key.second);
    REQUIRE(stacks.try_emplace(key, stack).first->second == stack);
    REQUIRE(d.stack(stack).depth == d.stack(key.first).depth + 1);
  }
  for (const auto& [key, stack] : stacks) REQUIRE(d.add_stack(key.first, key.second) == stack);
  CHECK(d.stacks() == stacks.size() + 1);
}

TEST_CASE("frames of a stack come innermost first") {
  Definitions d;
  const FrameId outer = d.add_frame({FrameKind::python, true, kNoModule, 0, {}});
  const FrameId inner = d.add_frame({FrameKind::native, false, kNoModule, 7, {}});
  CHECK(d.frames_of(kNoStack).empty());
  CHECK(d.frames_of(d.add_stack(d.add_stack(kNoStack, outer), inner)) == std::vector{inner, outer});
}

TEST_CASE("strings of unreasonable length are cut between characters") {
  Definitions d;
  std::string text((1 << 20) - 1, 'a');
  text += "\xc3\xa9\xc3\xa9";
  CHECK(d.string(d.add_string(text)) == std::string((1 << 20) - 1, 'a'));
}

TEST_CASE("symbols of native frames may be set, and set again") {
  Definitions d;
  const FrameId frame = d.add_frame({FrameKind::native, false, kNoModule, 7, {}});
  CHECK(d.locations(frame).empty());
  const std::vector<Location> first = {{d.add_string("f"), d.add_string("f.c"), 1}};
  const std::vector<Location> second = {{d.add_string("g"), d.add_string("f.c"), 2}, first[0]};
  d.set_locations(frame, first);
  d.set_locations(frame, second);
  const auto got = d.locations(frame);
  CHECK(std::vector(got.begin(), got.end()) == second);
}

}  // namespace memray
