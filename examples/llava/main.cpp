// SPDX-License-Identifier: Apache-2.0
/// The `llava` command: asks a model about images, compares it with the original, measures it,
/// converts its files.
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "command.hpp"
#include "option_rules.hpp"
#include "standard_streams.hpp"

namespace {

/// Detects printed text that was not written, for instance on a full disk.
int code_after_output(int code) {
  if (code == 0 && (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)) {
    std::fprintf(stderr, "llava: cannot write everything to standard output: %s\n", std::strerror(errno));
    return 1;
  }
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  keep_standard_streams_apart();
  let_large_files_fail();
  CLI::App app("LLaVA: ask a vision-language model about images");
  app.set_version_flag("--version", std::to_string(LLAVA_VERSION_MAJOR) + "." + std::to_string(LLAVA_VERSION_MINOR) +
                                        "." + std::to_string(LLAVA_VERSION_PATCH));
  app.require_subcommand(1);
  begin_options(app);
  add_ask(app);
  add_info(app);
  add_inspect(app);
  add_tokenize(app);
  add_eval(app);
  add_quantize(app);
  add_verify(app);
  add_convert(app);
  add_serve(app);
  end_options(app);
  try {
    app.parse(argc, argv);
    return code_after_output(0);
  } catch (const CLI::ParseError& e) {
    return code_after_output(app.exit(e));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "llava: %s\n", e.what());
    return code_after_output(1);
  }
}
