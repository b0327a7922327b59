// SPDX-License-Identifier: Apache-2.0
/// The `llava-serve` program: answers over HTTP. `llava serve` starts it.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "protocol_command.hpp"
#include "serve_command.hpp"

#include <llava/base/macros.hpp>

namespace {

/// Opens closed standard streams as unwritable files, so that no file opened later takes their descriptors.
void keep_standard_streams_apart() {
  while (true) {
    const int descriptor = ::open("/dev/null", O_RDONLY);
    if (descriptor <= STDERR_FILENO && descriptor >= 0) continue;
    if (descriptor >= 0) ::close(descriptor);
    return;
  }
}

}  // namespace

int main(int argc, char** argv) {
  keep_standard_streams_apart();
  CLI::App app("LLaVA: answer questions about images over HTTP");
  app.set_version_flag("--version", std::to_string(LLAVA_VERSION_MAJOR) + "." + std::to_string(LLAVA_VERSION_MINOR) +
                                        "." + std::to_string(LLAVA_VERSION_PATCH));
  app.require_subcommand(1);
  add_serve(app);
  add_controller(app);
  add_worker(app);
  add_register_worker(app);
  add_test_message(app);
  try {
    std::vector<std::string> words = with_whole_options(app, {argv + (argc > 0 ? 1 : 0), argv + argc});
    std::reverse(words.begin(), words.end());  // as CLI11 takes them
    app.parse(std::move(words));
    return 0;
  } catch (const CLI::ParseError& e) {
    return app.exit(e);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "llava: %s\n", e.what());
    return 1;
  }
}
