// From top to bottom: what runs, what it has (a graph with the figures beside it), the table, the keys. ncurses sends
// only what has changed, and there is something new once a second or after a key, so it is fit for slow lines.
//
// Keys come from standard input even where that is a pipe; when it ends, the view goes on without keys.
#include "live_screen.h"

#include "live_model.h"
#include "terminal.h"

#include <fmt/format.h>
#include <memray/text.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <string>

namespace memray::cli {
namespace {

using terminal::Area;
using terminal::attributes;
using terminal::Colour;

constexpr int kControlZ = 26;
constexpr int kGraphTop = 2;
constexpr int kGraphLines = 4;
constexpr int kTableTop = kGraphTop + kGraphLines;
constexpr int kMostGraph = 120;  // columns
constexpr int kFigures = 29;     // columns beside the graph
constexpr auto kBetweenUpdates = std::chrono::seconds(1);

constexpr std::string_view kKeys = "q quit  ? help space pause t o a sort / filter  v view [ ] time m < > threads";

constexpr std::string_view kHelp[] = {
    "t, o, a          sort by total bytes, own bytes, allocations; or click a heading",
    "v                live now, live at the peak, leaked so far",
    "[, ]             back and forth in time; of leaks, in the time before",
    "                 which they were made",
    "n                back to now",
    "m                threads together, or one by one",
    "<, >, ← →        the thread before, the next one",
    "p, P             the next process, the one before; all of them",
    "/                only functions and files with a text; nothing: all",
    "space            pause the table; again: go on",
    "s                save what is shown as a capture, for the other reports",
    "↑ ↓ page up, page down, home, end   scroll",
    "q, escape        quit. Ctrl-Z suspends",
    "",
    "Totals are of what a function and all that it called have. The graph",
    "is live memory, and above it, shaded, resident memory. Any key goes on.",
};

// What is above the first whole cells is of eighths.
std::string_view cell(double filled, bool resident) {
  constexpr std::string_view kParts[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  const auto eighths = static_cast<std::size_t>(std::lround(std::clamp(filled, 0.0, 1.0) * 8));
  return eighths == 0 && resident ? "░" : kParts[eighths];
}

// Where the columns of the table are.
struct Columns {
  static constexpr int kBytes = 9, kPart = 8, kCount = 10;
  int location, total, own, count, file, width;

  explicit Columns(int screen) : width(screen) {
    const int rest = std::max(screen - 2 * (kBytes + kPart) - kCount - 2, 20);
    location = rest * 3 / 5;
    total = location;
    own = total + kBytes + kPart;
    count = own + kBytes + kPart;
    file = count + kCount + 1;
  }
};

class LiveScreen {
 public:
  explicit LiveScreen(live::Watcher& watcher) : watcher_(watcher), model_(watcher) {}

  void run() {
    update();
    while (!quit_ && watcher_.status() != live::Watcher::Status::refused && !ended_before_it_began()) {
      if (const auto status = watcher_.status(); status != drawn_status_) {
        drawn_status_ = status;
        update();
      }
      draw();
      wait_for_input();
      take_keys();
      if (std::chrono::steady_clock::now() - updated_ >= kBetweenUpdates) update();
    }
  }

 private:
  bool ended_before_it_began() {
    return watcher_.status() == live::Watcher::Status::ended && watcher_.look()->capture() == nullptr;
  }

  void update() {
    model_.update(static_cast<std::size_t>(graph_width()));
    updated_ = std::chrono::steady_clock::now();
  }

  // ---- drawing

  static int graph_width() { return std::clamp(COLS - kFigures - 1, 0, kMostGraph); }
  static int table_height() { return std::max(LINES - kTableTop - 2, 1); }

  void draw() {
    erase();
    draw_heading();
    draw_graph();
    draw_figures();
    draw_table();
    draw_footer();
    refresh();
  }

  std::string status() const {
    std::string text = model_.paused() ? "updates paused" : "";
    const auto add = [&](const char* more) { text += text.empty() ? more : std::string(", ") + more; };
    if (drawn_status_ == live::Watcher::Status::connecting) add("waiting for the recording");
    if (drawn_status_ == live::Watcher::Status::ended) add("remote disconnected");
    return text;
  }

  void draw_heading() const {
    const LiveHeader& header = model_.header();
    const std::string pid = header.pid == 0 ? "memray live" : fmt::format("PID {}", header.pid);
    const Area line{0, 0, 2, COLS};
    line.put(0, 0, pid, A_BOLD);
    const int column = static_cast<int>(text_width(pid)) + 2;
    line.put(0, column, shorten_middle(header.command, static_cast<std::size_t>(std::max(COLS - column, 1))),
             attributes(Colour::accent));
    line.put(1, 0,
             fmt::format("{}  {:.1f}s  {} samples", model_.table().who,
                         static_cast<double>(nanoseconds(header.duration)) / 1e9, header.samples));
    const std::string now = status();
    line.put(1, COLS - static_cast<int>(text_width(now)), now, A_BOLD | attributes(Colour::large));
  }

  void draw_graph() const {
    const LiveHeader& header = model_.header();
    std::uint64_t most = std::max(header.max_heap, header.max_rss);
    if (most == 0) return;
    const Area area{kGraphTop, 0, kGraphLines, graph_width()};
    for (std::size_t i = 0; i < header.graph.size() && static_cast<int>(i) < area.width; ++i) {
      const auto height = [&](std::uint64_t bytes) {
        return static_cast<double>(bytes) / static_cast<double>(most) * kGraphLines;
      };
      const double heap = height(header.graph[i].heap);
      const double rss = height(header.graph[i].rss);
      const bool marked =
          header.marker && static_cast<std::size_t>(*header.marker * static_cast<double>(header.graph.size() - 1)) == i;
      for (int row = 0; row < kGraphLines; ++row) {
        const int below = kGraphLines - 1 - row;
        area.put(row, static_cast<int>(i), cell(heap - below, rss - below > 0.25),
                 attributes(marked         ? Colour::huge
                            : heap > below ? Colour::medium
                                           : Colour::quiet) |
                     (marked ? A_REVERSE : 0));
      }
    }
  }

  void draw_figures() const {
    const LiveHeader& header = model_.header();
    const Area area{kGraphTop, graph_width() + 1, kGraphLines, COLS - graph_width() - 1};
    area.put(0, 0, "heap ", attributes(Colour::medium));
    area.put(0, 5, fmt::format("{}, max {}", size_text(header.heap), size_text(header.max_heap)));
    area.put(1, 0, "RSS ", attributes(Colour::quiet));
    area.put(1, 5, fmt::format("{}, max {}", size_text(header.rss), size_text(header.max_rss)));
    area.put(2, 0, fmt::format("{} allocations", header.allocations));
    area.put(3, 0, model_.table().what, A_BOLD);
  }

  void put_heading(const Area& area, int column, int width, std::string_view name, LiveSort sort) const {
    const bool sorted = model_.sort() == sort;
    area.put(0, column, pad_left(std::string(sorted ? "▼" : "") + std::string(name), static_cast<std::size_t>(width)),
             A_REVERSE | (sorted ? A_BOLD : 0));
  }

  void draw_table() {
    const Columns columns(COLS);
    const Area area{kTableTop, 0, table_height() + 1, COLS};
    area.put_row(0, "Location", A_REVERSE);
    put_heading(area, columns.total, Columns::kBytes, "Total", LiveSort::total);
    area.put(0, columns.total + Columns::kBytes, pad_left("%", Columns::kPart), A_REVERSE);
    put_heading(area, columns.own, Columns::kBytes, "Own", LiveSort::own);
    area.put(0, columns.own + Columns::kBytes, pad_left("%", Columns::kPart), A_REVERSE);
    put_heading(area, columns.count, Columns::kCount, "Allocs", LiveSort::count);
    area.put(0, columns.file, "File/Module", A_REVERSE);

    const auto& rows = model_.table().rows;
    const int most = std::max(static_cast<int>(rows.size()) - table_height(), 0);
    top_ = std::clamp(top_, 0, most);
    auto row = static_cast<std::size_t>(top_);
    for (int line = 1; line <= table_height() && row < rows.size(); ++line, ++row)
      draw_row(area, columns, line, rows[row]);
    if (!rows.empty()) return;
    const bool filtered = !model_.filter().empty();
    area.put(2, 2, filtered ? "Nothing matches '" + model_.filter() + "'." : "Nothing is there.");
  }

  void draw_row(const Area& area, const Columns& columns, int line, const LiveRow& row) const {
    const std::uint64_t all = model_.table().bytes;
    const auto number = [&](int column, int width, const std::string& text, attr_t how) {
      area.put(line, column, pad_left(text, static_cast<std::size_t>(width)), how);
    };
    area.put(line, 0, shorten_middle(row.function, static_cast<std::size_t>(columns.location - 1)), A_BOLD);
    const attr_t total = attributes(terminal::colour_of(row.total, all));
    number(columns.total, Columns::kBytes, size_text(row.total), total);
    number(columns.total + Columns::kBytes, Columns::kPart, percent_text(row.total, all), total);
    const attr_t own = attributes(terminal::colour_of(row.own, all));
    number(columns.own, Columns::kBytes, size_text(row.own), own);
    number(columns.own + Columns::kBytes, Columns::kPart, percent_text(row.own, all), own);
    number(columns.count, Columns::kCount, std::to_string(row.count), A_NORMAL);
    if (COLS > columns.file)
      area.put(line, columns.file, shorten_path(row.file, static_cast<std::size_t>(COLS - columns.file)),
               attributes(Colour::quiet));
  }

  void draw_footer() const {
    const Area line{LINES - 1, 0, 1, COLS};
    if (!message_.empty()) return line.put(0, 0, message_, A_BOLD);
    if (!model_.filter().empty()) return line.put(0, 0, "filter: " + model_.filter() + "   (/ changes it)", A_BOLD);
    line.put(0, 0, kKeys, attributes(Colour::quiet));
  }

  // ---- input

  void wait_for_input() {
    pollfd in{input_ended_ ? -1 : STDIN_FILENO, POLLIN, 0};
    poll(&in, 1, 200);
    int bytes = 0;
    if (in.revents != 0 && ioctl(STDIN_FILENO, FIONREAD, &bytes) == 0 && bytes == 0) {
      quit_ = isatty(STDIN_FILENO) == 1;  // the terminal is gone
      input_ended_ = true;
    }
  }

  // A change of the window's size is a key as well.
  void take_keys() {
    if (input_ended_) return;
    nodelay(stdscr, true);
    for (int key = getch(); key != ERR && !quit_; key = getch()) {
      handle(key);
      nodelay(stdscr, true);
    }
  }

  void handle(int key) {
    message_.clear();
    switch (key) {
      case 'q':
      case terminal::kEscape:
      case terminal::kControlC:
        quit_ = true;
        return;
      case kControlZ:
      case KEY_SUSPEND:
        raise(SIGTSTP);  // ncurses puts the terminal in order, and back
        return;
      case 't':
        return model_.sort_by(LiveSort::total);
      case 'o':
        return model_.sort_by(LiveSort::own);
      case 'a':
        return model_.sort_by(LiveSort::count);
      case 'v':
        return model_.next_view();
      case 'm':
        return model_.merge_threads();
      case '<':
      case ',':
      case KEY_LEFT:
        return model_.step_thread(-1);
      case '>':
      case '.':
      case KEY_RIGHT:
        return model_.step_thread(1);
      case 'p':
        return model_.step_process(1);
      case 'P':
        return model_.step_process(-1);
      case ' ':
        return model_.pause();
      case '/':
        return model_.filter(terminal::read_line("/"));
      case 's':
        return save();
      case '?':
        return terminal::show_help(kHelp);
      default:
        return handle_move(key);
    }
  }

  void handle_move(int key) {
    switch (key) {
      case '[':
      case ']':
        model_.step_time(key == '[' ? -1 : 1);
        return update();
      case 'n':
        return model_.now();
      case KEY_UP:
      case 'k':
        --top_;
        return;
      case KEY_DOWN:
      case 'j':
        ++top_;
        return;
      case KEY_PPAGE:
        top_ -= table_height();
        return;
      case KEY_NPAGE:
        top_ += table_height();
        return;
      case KEY_HOME:
      case 'g':
        top_ = 0;
        return;
      case KEY_END:
      case 'G':
        top_ = static_cast<int>(model_.table().rows.size());
        return;
      case KEY_RESIZE:
        return update();
      case KEY_MOUSE:
        return mouse();
      default:
        return;
    }
  }

  void mouse() {
    MEVENT event;
    if (getmouse(&event) != OK) return;
    if (event.bstate & BUTTON4_PRESSED) top_ -= 3;
    if (event.bstate & BUTTON5_PRESSED) top_ += 3;
    if ((event.bstate & (BUTTON1_PRESSED | BUTTON1_CLICKED)) == 0 || event.y != kTableTop) return;
    const Columns columns(COLS);
    if (event.x < columns.total || event.x >= columns.file) return;
    model_.sort_by(event.x < columns.own ? LiveSort::total : event.x < columns.count ? LiveSort::own : LiveSort::count);
  }

  void save() {
    const std::string name = model_.default_file();
    const std::string wanted = terminal::read_line(fmt::format("Save as (. is {}): ", name));
    if (wanted.empty()) return;
    const std::string path = wanted == "." ? name : wanted;
    try {
      model_.save(path);
      message_ = fmt::format("Saved: memray flamegraph {}", path);
    } catch (const std::exception& error) {
      message_ = error.what();
    }
  }

  live::Watcher& watcher_;
  LiveModel model_;
  std::chrono::steady_clock::time_point updated_;
  live::Watcher::Status drawn_status_ = live::Watcher::Status::connecting;
  int top_ = 0;
  std::string message_;
  bool quit_ = false;
  bool input_ended_ = false;
};

}  // namespace

void watch_on_terminal(live::Watcher& watcher) {
  const terminal::Curses curses;
  LiveScreen(watcher).run();
}

}  // namespace memray::cli
