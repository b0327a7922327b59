// SPDX-License-Identifier: Apache-2.0
/// The options of the web page, which `serve` and `web` share.
#pragma once
#include <llava/serve/moderation.hpp>
#include <llava/serve/page.hpp>

#include <string>

#include "cli_fwd.hpp"

struct page_options {
  std::string log_folder, moderate;
  bool embed = false;
};

void add_page_options(CLI::App& command, page_options& o);
/// The settings, but for how a model's conversations are written.
llava::serve::page_settings page_settings_of(const page_options& o);
/// Runs the command of --moderate for each request, with the users' texts as its standard input. Exit status 0: they
/// are answered; 1: refused; any other, or no end within 5 seconds: an error. Empty without the option.
llava::serve::moderator moderator_of(const page_options& o);
