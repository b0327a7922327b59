// SPDX-License-Identifier: Apache-2.0
/// The options of the programs that listen, and the checks of the addresses in options. A check also writes an address
/// as it is compared later: "https://Example.org:443/" is the origin https://example.org.
#pragma once
#include <llava/serve/http_settings.hpp>

#include <string>

#include "cli_fwd.hpp"

/// --host and --port.
void add_listening_options(CLI::App& command, llava::serve::http_settings& to, const std::string& about_host);
/// --host-name and --api-key, whose default is the environment's LLAVA_API_KEY; `who`: "clients".
void add_client_options(CLI::App& command, llava::serve::http_settings& to, const std::string& who);

/// http://HOST[:PORT][/PATH], without a slash at its end.
CLI::Validator http_address();
/// The origin of a web page, or * for all.
CLI::Validator page_origin();
