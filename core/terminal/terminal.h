// The terminal as a screen: ncurses, its colours, and text in rectangles.
#pragma once

#include <curses.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace memray::terminal {

inline constexpr int kEscape = 27;
inline constexpr int kControlC = 3;
inline constexpr int kBackspace = 127;

enum class Colour : short { plain = 0, huge = 1, large = 2, medium = 3, quiet = 4, accent = 5 };

// Of something that is so large a part of the whole.
Colour colour_of(std::uint64_t part, std::uint64_t whole);
attr_t attributes(Colour colour);

// The screen belongs to us as long as this lives, one at a time. Ctrl-C and Ctrl-Z are keys like others.
class Curses {
 public:
  Curses();
  ~Curses();
  Curses(const Curses&) = delete;
  Curses& operator=(const Curses&) = delete;
};

// A rectangle of the screen. What does not fit is cut off.
struct Area {
  int top, left, height, width;

  void put(int row, int column, std::string_view text, attr_t attributes = A_NORMAL) const;
  // A row from edge to edge.
  void put_row(int row, std::string_view text, attr_t attributes = A_NORMAL) const;
};

std::string rule(int width);  // "────"

// Shows nothing but these lines until a key is pressed.
void show_help(std::span<const std::string_view> lines);

// Shows `prompt` and what is typed in the last line of the screen. Empty if the user thought better of it.
std::string read_line(std::string_view prompt);

}  // namespace memray::terminal
