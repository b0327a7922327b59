// SPDX-License-Identifier: Apache-2.0
/// The `llava-serve` program: answers over HTTP, and talks in a terminal. `llava serve`, `llava chat` start it. Without
/// Boost it is built without the servers.
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "../llava/standard_streams.hpp"
#include "chat_command.hpp"
#include "option_rules.hpp"
#include "serve_command.hpp"

#include <llava/base/macros.hpp>

namespace {

/// Lets large memory go back to the system. glibc otherwise keeps up to 64 MiB for each thread that once held a large
/// body or image.
void give_memory_back() {
#ifdef __GLIBC__
  ::mallopt(M_MMAP_THRESHOLD, 4 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 8 << 20);
#endif
}

#if LLAVA_COMMAND_WITHOUT_SERVERS
/// Says what a subcommand lacks that this build does not have.
void add_missing(CLI::App& app, const std::string& name) {
  CLI::App& command = *app.add_subcommand(name, "Not in this build: it needs Boost's headers");
  command.set_help_flag();
  command.prefix_command();
  command.callback([name] {
    std::fprintf(stderr,
                 "llava: %s is not in this build: it needs Boost's headers, 1.81 or later (Debian: libboost1.81-dev); "
                 "install them and build the target llava_serve_command again\n",
                 name.c_str());
    throw CLI::RuntimeError(1);
  });
}
#endif

}  // namespace

int main(int argc, char** argv) {
  keep_standard_streams_apart();
  let_large_files_fail();
  give_memory_back();
  CLI::App app("LLaVA: answer questions about images, over HTTP, in a terminal or in files");
  app.set_version_flag("--version", std::to_string(LLAVA_VERSION_MAJOR) + "." + std::to_string(LLAVA_VERSION_MINOR) +
                                        "." + std::to_string(LLAVA_VERSION_PATCH));
  app.require_subcommand(1);
  begin_options(app);
  add_chat(app);
  add_batch(app);
#if LLAVA_COMMAND_WITHOUT_SERVERS
  for (const char* name : {"serve", "controller", "worker", "register-worker", "test-message", "web", "pull"})
    add_missing(app, name);
#else
  add_serve(app);
  add_controller(app);
  add_worker(app);
  add_register_worker(app);
  add_test_message(app);
  add_web(app);
  add_pull(app);
#endif
  end_options(app);
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
