// SPDX-License-Identifier: Apache-2.0
/// The subcommands of `llava-serve`, the program of everything that listens. Each function adds one. Its callback
/// returns the exit code through CLI::RuntimeError.
#pragma once
#include <CLI/CLI.hpp>

void add_serve(CLI::App& app);
