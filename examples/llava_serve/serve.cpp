// SPDX-License-Identifier: Apache-2.0
/// llava-serve serve: answers with OpenAI's API.
#include "serve_command.hpp"

void add_serve(CLI::App& app) { app.add_subcommand("serve", "Answer over HTTP, with OpenAI's API"); }
