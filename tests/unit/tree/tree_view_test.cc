#include "tree_view.h"

#include <catch2/catch.hpp>

#include "recording.h"

namespace memray::tree {
namespace {

using test::Recording;

// main -> wide -> {a, b}, deep -> chain -> end, imports -> loaded
class Browsing {
 public:
  Browsing()
      : capture_((add({{"main", "/m.py"}, {"wide", "/m.py"}, {"a", "/m.py"}}, 400),
                  add({{"main", "/m.py"}, {"wide", "/m.py"}, {"b", "/m.py"}}, 300),
                  add({{"main", "/m.py"}, {"deep", "/m.py"}, {"chain", "/m.py"}, {"end", "/m.py"}}, 200),
                  add({{"main", "/m.py"}, {"load", "<frozen importlib>"}, {"loaded", "/i.py"}}, 100),
                  recording_.finish())),
        tree(capture_, peak(capture_), 100),
        view(tree) {}

  // "  main*": indented by depth, the cursor's row with a star.
  std::vector<std::string> shown() const {
    std::vector<std::string> lines;
    for (std::size_t i = 0; i < view.rows().size(); ++i) {
      const Row& row = view.rows()[i];
      lines.push_back(std::string(row.depth, ' ') + std::string(tree[row.node].frame.function) +
                      (i == view.cursor() ? "*" : ""));
    }
    return lines;
  }

 private:
  void add(std::initializer_list<test::Call> calls, std::uint64_t bytes) {
    recording_.allocate(next_ += 0x1000, bytes, recording_.stack(calls));
  }
  Recording recording_;
  std::uint64_t next_ = 0;
  Capture capture_;

 public:
  CallTree tree;
  TreeView view;
};

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("at first, the calls with most of the memory are unfolded; frames of imports are left out") {
  Browsing browsing;
  REQUIRE(browsing.shown() == Lines{"<root>*", " main", "  wide", "   a", "   b", "  deep", "  loaded"});
}

TEST_CASE("the cursor stops at both ends") {
  Browsing browsing;
  browsing.view.move(-5);
  REQUIRE(browsing.view.cursor() == 0);
  browsing.view.move(100);
  REQUIRE(browsing.view.cursor() == 6);
}

TEST_CASE("fold, unfold, and go to the caller or the first call") {
  Browsing browsing;
  TreeView& view = browsing.view;
  view.move_to(3);
  view.collapse();  // a leaf: to the caller
  REQUIRE(browsing.shown()[2] == "  wide*");
  view.collapse();
  REQUIRE(browsing.shown() == Lines{"<root>", " main", "  wide*", "  deep", "  loaded"});
  view.expand();
  REQUIRE(browsing.shown()[2] == "  wide*");
  view.expand();  // unfolded already: to the first call
  REQUIRE(browsing.shown()[3] == "   a*");
  view.expand();  // a leaf: nowhere
  REQUIRE(browsing.shown()[3] == "   a*");
}

TEST_CASE("unfold to the next branch") {
  Browsing browsing;
  browsing.view.move_to(5);
  browsing.view.expand_to_branch();
  REQUIRE(browsing.shown() ==
          Lines{"<root>", " main", "  wide", "   a", "   b", "  deep*", "   chain", "    end", "  loaded"});
}

TEST_CASE("imports can be hidden, and their frames shown; the cursor goes to what is left of its call") {
  Browsing browsing;
  browsing.view.move_to(6);
  browsing.view.toggle_imports();
  REQUIRE(browsing.shown() == Lines{"<root>", " main*", "  wide", "   a", "   b", "  deep"});
  browsing.view.toggle_imports();
  browsing.view.toggle_dull();
  REQUIRE(browsing.shown().back() == "  load");
}

TEST_CASE("search unfolds what it finds, goes around, and ignores case") {
  Browsing browsing;
  REQUIRE(browsing.view.find("END"));
  REQUIRE(browsing.shown()[7] == "    end*");
  REQUIRE(browsing.view.find("/i.py"));
  REQUIRE(browsing.shown()[8] == "  loaded*");
  REQUIRE(browsing.view.find("main"));
  REQUIRE(browsing.shown()[1] == " main*");
  REQUIRE_FALSE(browsing.view.find("nowhere"));
  browsing.view.toggle_imports();
  REQUIRE_FALSE(browsing.view.find("loaded"));
}

TEST_CASE("a hundred thousand levels are no problem") {
  Recording recording;
  StackId stack = kNoStack;
  for (std::uint32_t i = 0; i < 100'000; ++i) {
    Frame frame;
    frame.location = {recording.definitions.add_string("f"), recording.definitions.add_string("/f.py"), i + 1};
    stack = recording.definitions.add_stack(stack, recording.definitions.add_frame(frame));
  }
  recording.allocate(0x10, 1, stack);
  const Capture capture = recording.finish();
  const CallTree tree(capture, peak(capture), 10);
  TreeView view(tree);
  view.move(1'000'000);
  REQUIRE(view.cursor() == 100'000);
}

}  // namespace memray::tree
