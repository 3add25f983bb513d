#include "progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>

namespace memray::cli {

constexpr auto kPatience = std::chrono::seconds(1);
constexpr auto kRedraw = std::chrono::milliseconds(100);
constexpr int kWidth = 40;

Progress::Progress() : terminal_(isatty(STDERR_FILENO)) {}

void Progress::update(double fraction) {
  if (!terminal_) return;
  const auto now = Clock::now();
  if (fraction < fraction_) pass_start_ = now;
  fraction_ = std::clamp(fraction, 0.0, 1.0);
  if (now - pass_start_ < kPatience || now - last_drawn_ < kRedraw) return;
  last_drawn_ = now;
  shown_ = true;
  const auto done = static_cast<std::size_t>(fraction_ * kWidth);
  fmt::print(stderr, "\r[{}{}] {:3.0f}%", std::string(done, '#'), std::string(kWidth - done, ' '), fraction_ * 100);
}

void Progress::clear() {
  if (shown_) fmt::print(stderr, "\r\x1b[K");
  shown_ = false;
}

}  // namespace memray::cli
