// SPDX-License-Identifier: Apache-2.0
#include <llava/text/shown.hpp>

#include <llava_catch.hpp>

TEST_CASE("a text of a file is shown as valid UTF-8, without control characters and cut after a whole character") {
  using llava::detail::shown;
  CHECK(shown("") == "");
  CHECK(shown("model.norm.weight") == "model.norm.weight");
  CHECK(shown("é 図 🦙") == "é 図 🦙");
  CHECK(shown("a\xff\xc3") == "a\xef\xbf\xbd\xef\xbf\xbd");
  // ESC, a line feed, NUL, DEL, and CSI, which is one character of C1
  CHECK(shown(std::string("\x1b[2J\n\0\x7f\xc2\x9b", 9)) ==
        "\xef\xbf\xbd[2J\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
  const std::string longest(128, 'x');
  CHECK(shown(longest) == longest);
  CHECK(shown(longest + "y") == longest + "…");
  CHECK(shown(longest.substr(1) + "é" + longest) == longest.substr(1) + "é…");
}
