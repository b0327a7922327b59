// SPDX-License-Identifier: Apache-2.0
/// The `llava-serve` program: answers over HTTP. `llava serve` starts it.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "../llava/standard_streams.hpp"
#include "serve_command.hpp"

#include <llava/base/macros.hpp>

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
  add_web(app);
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
