// SPDX-License-Identifier: Apache-2.0
/// The `llava-serve` program: answers over HTTP. `llava serve` starts it.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <exception>

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
  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::ParseError& e) {
    return app.exit(e);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "llava: %s\n", e.what());
    return 1;
  }
}
