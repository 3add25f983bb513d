// A report as one HTML file.
//
// The page is a template, made at build time from web/ and the reporter's own part, with two holes: the title, and a
// <script type="application/json"> element that holds everything this report knows. Nothing of the recorded program is
// ever written as HTML. The page's Content-Security-Policy allows its own script and style by hash and nothing else, no
// connection included, so even a mistake in the front end could not run or send what a program put into its function
// names.
#pragma once

#include <iosfwd>
#include <string>
#include <string_view>

namespace memray::html {

void write_page(std::ostream& out, std::string_view page_template, std::string_view title, std::string_view json);

// A page that follows a recording: it may fetch data, from where it came from and nowhere else.
std::string live_page(std::string_view page_template, std::string_view title, std::string_view json);

}  // namespace memray::html
