#include "terminal.h"

#include <langinfo.h>
#include <memray/text.h>

#include <clocale>
#include <cstring>

namespace memray::terminal {

namespace {

std::string shorten_end(std::string_view text, std::size_t columns) {
  std::size_t end = 0;
  while (end < text.size()) {
    std::size_t next = end + 1;
    while (next < text.size() && (static_cast<unsigned char>(text[next]) & 0xc0) == 0x80) ++next;
    if (columns-- == 0) break;
    end = next;
  }
  return std::string(text.substr(0, end));
}

}  // namespace

Colour colour_of(std::uint64_t part, std::uint64_t whole) {
  const double share = whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
  return share > 0.60 ? Colour::huge : share > 0.20 ? Colour::large : share > 0.05 ? Colour::medium : Colour::plain;
}

attr_t attributes(Colour colour) {
  return has_colors() ? static_cast<attr_t>(COLOR_PAIR(static_cast<short>(colour))) : A_NORMAL;
}

Curses::Curses() {
  std::setlocale(LC_ALL, "");
  if (std::strcmp(nl_langinfo(CODESET), "UTF-8") != 0) std::setlocale(LC_CTYPE, "C.UTF-8");
  set_escdelay(25);
  initscr();
  raw();
  noecho();
  keypad(stdscr, true);
  curs_set(0);
  mousemask(BUTTON1_PRESSED | BUTTON1_CLICKED | BUTTON4_PRESSED | BUTTON5_PRESSED, nullptr);
  mouseinterval(0);
  if (!has_colors()) return;
  start_color();
  use_default_colors();
  init_pair(static_cast<short>(Colour::huge), COLOR_RED, -1);
  init_pair(static_cast<short>(Colour::large), COLOR_YELLOW, -1);
  init_pair(static_cast<short>(Colour::medium), COLOR_GREEN, -1);
  init_pair(static_cast<short>(Colour::quiet), COLOR_BLUE, -1);
  init_pair(static_cast<short>(Colour::accent), COLOR_CYAN, -1);
}

Curses::~Curses() { endwin(); }

void Area::put(int row, int column, std::string_view text, attr_t attributes) const {
  if (row < 0 || row >= height || column < 0 || column >= width) return;
  const std::string shown = shorten_end(text, static_cast<std::size_t>(width - column));
  attron(attributes);
  mvaddnstr(top + row, left + column, shown.data(), static_cast<int>(shown.size()));
  attroff(attributes);
}

void Area::put_row(int row, std::string_view text, attr_t attributes) const {
  put(row, 0, pad_right(text, static_cast<std::size_t>(width > 0 ? width : 0)), attributes);
}

std::string rule(int width) {
  std::string line;
  for (int i = 0; i < width; ++i) line += "─";
  return line;
}

namespace {

int wait_for_key() {
  nodelay(stdscr, false);
  return getch();
}

}  // namespace

void show_help(std::span<const std::string_view> lines) {
  erase();
  const Area area{1, 2, LINES - 1, COLS - 2};
  for (int row = 0; row < static_cast<int>(lines.size()); ++row) area.put(row, 0, lines[static_cast<std::size_t>(row)]);
  refresh();
  wait_for_key();
}

std::string read_line(std::string_view prompt) {
  std::string text;
  for (;;) {
    const Area line{LINES - 1, 0, 1, COLS};
    line.put_row(0, std::string(prompt) + text, A_BOLD);
    refresh();
    const int key = wait_for_key();
    if (key == kEscape || key == kControlC || key == ERR) return {};
    if (key == '\n' || key == '\r' || key == KEY_ENTER) return text;
    if (key == KEY_BACKSPACE || key == kBackspace || key == '\b') {
      if (!text.empty()) text.pop_back();
    } else if (key >= ' ' && key < 256) {
      text += static_cast<char>(key);
    }
  }
}

}  // namespace memray::terminal
