// One line of the tree is size, share, and the call, indented by its depth. Deep stacks would run out of an 80 column
// terminal, so the tree scrolls sideways with the cursor: its row is never indented by more than a quarter of the
// width.
//
// What the cursor is on is told in full beside the tree where there is room, else below it.
#include "screen.h"

#include "source_excerpt.h"
#include "tree_view.h"

#include "terminal.h"

#include <fmt/format.h>
#include <memray/text.h>

#include <algorithm>

namespace memray::tree {

using terminal::Area;
using terminal::Colour;
using terminal::colour_of;
using terminal::kControlC;
using terminal::kEscape;
using terminal::rule;

namespace {

constexpr int kWide = 110;  // columns from which details stand beside the tree
constexpr int kDetailLines = 9;

attr_t colour(Colour c) { return terminal::attributes(c); }

constexpr std::string_view kKeys = "q quit  ? help  ↑↓ move  → ← unfold, fold  e to branch  / search  i u filters";

constexpr std::string_view kHelp[] = {
    "up, down, j, k       one row",
    "page up, page down   one screen",
    "home, end, g, G      first or last row",
    "right, l             unfold, or go to the first call below",
    "left, h              fold, or go to the caller",
    "enter, space         fold or unfold",
    "e                    unfold down to the next branch",
    "/, n                 search functions and files; next match",
    "i                    hide or show what imports allocated",
    "u                    hide or show frames of imports and of starting a script",
    "mouse                click to go there, again to fold or unfold; wheel to scroll",
    "q, escape            quit",
    "",
    "Sizes are of a call and all that it made in turn. Any key goes on.",
};

std::string count_text(std::uint64_t count) { return fmt::format("{} allocation{}", count, count == 1 ? "" : "s"); }

std::string place_text(const DisplayFrame& frame) {
  if (frame.file.empty()) return {};
  return frame.line == 0 ? printable(frame.file) : fmt::format("{}:{}", printable(frame.file), frame.line);
}

class Screen {
 public:
  Screen(const CallTree& tree, const Heading& heading) : tree_(tree), view_(tree), heading_(heading) {}

  void run() {
    for (;;) {
      draw();
      const int key = getch();
      if (key == 'q' || key == kEscape || key == kControlC || key == ERR) return;
      handle(key);
    }
  }

 private:
  // ---- drawing

  Area tree_area() const {
    const bool wide = COLS >= kWide;
    const int height = std::max(LINES - 3 - (wide ? 0 : std::min(kDetailLines, LINES / 2)), 1);
    return {2, 0, height, wide ? COLS * 3 / 5 : COLS};
  }

  Area detail_area() const {
    const Area tree = tree_area();
    if (COLS >= kWide) return {2, tree.width + 2, LINES - 3, COLS - tree.width - 2};
    return {2 + tree.height, 0, std::max(LINES - 3 - tree.height, 0), COLS};
  }

  void draw() {
    erase();
    draw_heading();
    scroll_to_cursor();
    const Area area = tree_area();
    for (int row = 0; row < area.height && top_ + row < static_cast<int>(view_.rows().size()); ++row) {
      draw_row(area, row, static_cast<std::size_t>(top_ + row));
    }
    draw_detail(detail_area());
    draw_footer();
    refresh();
  }

  void draw_heading() const {
    const Area line{0, 0, 1, COLS};
    const std::string left =
        fmt::format("{}  {} in {}", heading_.title, size_text(tree_.root().bytes), count_text(tree_.root().count));
    line.put(0, 0, left, A_BOLD);
    const int column = static_cast<int>(text_width(left)) + 3;
    if (column < COLS) {
      line.put(0, column, shorten_middle(printable(heading_.command), static_cast<std::size_t>(COLS - column)),
               colour(Colour::accent));
    }
  }

  // The tree's own rows keep the cursor in sight, in both directions.
  void scroll_to_cursor() {
    const Area area = tree_area();
    const int cursor = static_cast<int>(view_.cursor());
    top_ = std::clamp(top_, std::max(cursor - area.height + 1, 0), cursor);
    const int depth = static_cast<int>(view_.current().depth);
    shift_ = std::max(depth - area.width / 8, 0);
  }

  void draw_row(const Area& area, int line, std::size_t index) const {
    const Row& row = view_.rows()[index];
    const Node& node = tree_[row.node];
    const bool here = index == view_.cursor();
    const attr_t base = here ? A_REVERSE : A_NORMAL;
    if (here) area.put_row(line, {}, base);
    area.put(line, 0,
             fmt::format("{} {}", pad_left(size_text(node.bytes), 9),
                         pad_left(percent_text(node.bytes, tree_.root().bytes), 7)),
             base | colour(colour_of(node.bytes, tree_.root().bytes)));
    const int indent = static_cast<int>(row.depth) - shift_;
    if (indent < 0) area.put(line, 18, "‹", base);
    int column = 19 + std::max(indent, 0) * 2;
    area.put(line, column, row.expanded ? "▾" : row.expandable ? "▸" : "·", base | colour(Colour::accent));
    column += 2;
    const std::string name = name_of(row.node);
    const auto room = static_cast<std::size_t>(std::max(area.width - column, 0));
    area.put(line, column, shorten_middle(name, room), base | (node.dull ? A_DIM : A_BOLD));
    column += static_cast<int>(std::min(text_width(name), room)) + 2;
    const std::string place = place_text(node.frame);
    if (area.width - column > 6) {
      area.put(line, column, shorten_path(place, static_cast<std::size_t>(area.width - column)),
               base | colour(Colour::quiet));
    }
  }

  std::string name_of(NodeId id) const {
    const Node& node = tree_[id];
    if (node.rest) return fmt::format("{} smaller stacks (-b shows more)", tree_.rest_stacks());
    return node.frame.function.empty() ? "<unknown>" : printable(node.frame.function);
  }

  void draw_detail(const Area& area) const {
    if (area.height < 3) return;
    const NodeId id = view_.current().node;
    const Node& node = tree_[id];
    if (area.left == 0) area.put(0, 0, rule(area.width), colour(Colour::quiet));
    int line = area.left == 0 ? 1 : 0;
    area.put(line++, 0, name_of(id), A_BOLD);
    if (const std::string place = place_text(node.frame); !place.empty()) {
      area.put(line++, 0, shorten_path(place, static_cast<std::size_t>(area.width)), colour(Colour::quiet));
    }
    area.put(
        line++, 0,
        fmt::format("{} ({}) in {}; itself {}", size_text(node.bytes), percent_text(node.bytes, tree_.root().bytes),
                    count_text(node.count), size_text(node.own_bytes)));
    if (COLS >= kWide) ++line;
    for (const SourceLine& source : source_excerpt(node.frame.file, node.frame.line,
                                                   static_cast<std::uint32_t>(std::max(area.height - line, 0)))) {
      const bool here = source.number == node.frame.line;
      area.put(line++, 0, fmt::format("{}{:>5} {}", here ? "▶" : " ", source.number, source.text),
               here ? A_BOLD | colour(Colour::accent) : A_NORMAL);
    }
  }

  void draw_footer() const {
    const Area line{LINES - 1, 0, 1, COLS};
    if (!message_.empty()) return line.put(0, 0, message_, A_BOLD);
    std::string state;
    if (view_.hides_imports()) state += " [imports hidden]";
    if (view_.shows_dull()) state += " [all frames]";
    line.put(0, 0, std::string(kKeys) + state, colour(Colour::quiet));
  }

  // ---- input

  void handle(int key) {
    message_.clear();
    const int page = tree_area().height - 1;
    switch (key) {
      case KEY_UP:
      case 'k':
        return view_.move(-1);
      case KEY_DOWN:
      case 'j':
        return view_.move(1);
      case KEY_PPAGE:
        return view_.move(-page);
      case KEY_NPAGE:
        return view_.move(page);
      case KEY_HOME:
      case 'g':
        return view_.move_to(0);
      case KEY_END:
      case 'G':
        return view_.move_to(view_.rows().size());
      case KEY_RIGHT:
      case 'l':
        return view_.expand();
      case KEY_LEFT:
      case 'h':
        return view_.collapse();
      case '\n':
      case '\r':
      case KEY_ENTER:
      case ' ':
        return view_.toggle();
      case 'e':
        return view_.expand_to_branch();
      case 'i':
        return view_.toggle_imports();
      case 'u':
        return view_.toggle_dull();
      case '/':
        return search();
      case 'n':
        return find_next();
      case '?':
        return terminal::show_help(kHelp);
      case KEY_MOUSE:
        return mouse();
      default:
        return;
    }
  }

  void mouse() {
    MEVENT event;
    if (getmouse(&event) != OK) return;
    if (event.bstate & BUTTON4_PRESSED) return view_.move(-3);
    if (event.bstate & BUTTON5_PRESSED) return view_.move(3);
    const Area area = tree_area();
    const auto row = static_cast<std::size_t>(top_ + event.y - area.top);
    if (event.y < area.top || event.y >= area.top + area.height || event.x >= area.width) return;
    if (row >= view_.rows().size()) return;
    if (row == view_.cursor()) return view_.toggle();
    view_.move_to(row);
  }

  void search() {
    if (std::string text = terminal::read_line("/"); !text.empty()) wanted_ = std::move(text);
    find_next();
  }

  void find_next() {
    if (!wanted_.empty() && !view_.find(wanted_)) message_ = fmt::format("Nothing matches '{}'", wanted_);
  }

  const CallTree& tree_;
  TreeView view_;
  const Heading& heading_;
  int top_ = 0;
  int shift_ = 0;
  std::string wanted_;
  std::string message_;
};

}  // namespace

void browse(const CallTree& tree, const Heading& heading) {
  const terminal::Curses curses;  // Ctrl-C quits as q does
  Screen(tree, heading).run();
}

}  // namespace memray::tree
