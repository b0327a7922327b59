// SPDX-License-Identifier: Apache-2.0
/// The `llava` command: ask a model about pictures, hold it against the original, measure it.
#include "command.hpp"

int main(int argc, char** argv) {
  CLI::App app("LLaVA: ask a vision-language model about pictures");
  app.set_version_flag("--version", std::to_string(LLAVA_VERSION_MAJOR) + "." + std::to_string(LLAVA_VERSION_MINOR) +
                                        "." + std::to_string(LLAVA_VERSION_PATCH));
  app.require_subcommand(1);
  add_ask(app);
  add_inspect(app);
  add_tokenize(app);
  add_eval(app);
  add_quantize(app);
  CLI11_PARSE(app, argc, argv);
}
