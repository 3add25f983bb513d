// What the views are called.

#include <memray/query.h>

namespace memray {
namespace {

struct Texts {
  std::string_view name, title, nothing;
};

const Texts& texts(View view) {
  static constexpr Texts kPeak = {"peak", "Peak memory", "No allocations were recorded."};
  static constexpr Texts kLeaks = {"leaks", "Leaked memory", "Nothing leaked."};
  static constexpr Texts kTemporary = {"temporary", "Temporary", "There were no temporary allocations."};
  return view == View::leaks ? kLeaks : view == View::temporary ? kTemporary : kPeak;
}

}  // namespace

std::string_view name(View view) { return texts(view).name; }
std::string_view title(View view) { return texts(view).title; }
std::string_view nothing(View view) { return texts(view).nothing; }

}  // namespace memray
