// SPDX-License-Identifier: Apache-2.0
#include "network_options.hpp"

#include <llava/serve/http_client.hpp>
#include <llava/serve/url.hpp>

#include "option_rules.hpp"

namespace {
namespace serve = llava::serve;

/// `sentence` without "llava: ", which does not follow the name of an option.
std::string without_program(std::string_view sentence) {
  constexpr std::string_view program = "llava: ";
  return std::string(sentence.substr(sentence.starts_with(program) ? program.size() : 0));
}

CLI::Validator listened_address() {
  return {[](std::string& text) {
            if (text == "localhost" || serve::detail::parse_ip(text)) return std::string();
            return "expected an IP address of this machine such as 127.0.0.1, 0.0.0.0 for all of them, or localhost, "
                   "found " +
                   text;
          },
          ""};
}

CLI::Validator host_name() {
  return {[](std::string& text) {
            const auto read = serve::try_parse_url("http://" + text);
            if (!read || text.find_first_of(":/?") != text.npos)
              return "expected the name of a host without http:// and port, such as box.local, found " + text;
            text = read->host;
            return std::string();
          },
          ""};
}

}  // namespace

CLI::Validator http_address() {
  return {[](std::string& text) {
            const auto read = serve::try_parse_http_url(text);
            if (!read) return without_program(read.error().sentence());
            while (text.ends_with('/')) text.pop_back();
            return std::string();
          },
          ""};
}

CLI::Validator page_origin() {
  return {[](std::string& text) {
            if (text == "*") return std::string();
            const auto read = serve::try_parse_url(text);
            if (!read || read->scheme == serve::url_scheme::file || read->target != "/")
              return "expected the origin of web pages, such as https://example.org or http://localhost:3000, or * for "
                     "all, found " +
                     text;
            text = read->origin();
            return std::string();
          },
          ""};
}

void add_listening_options(CLI::App& command, serve::http_settings& to, const std::string& about_host) {
  command.add_option("--host", to.address, about_host)->check(listened_address());
  command.add_option("--port", to.port, "Port; 0: any free one")->check(any_port);
}

void add_client_options(CLI::App& command, serve::http_settings& to, const std::string& who) {
  command
      .add_option("--api-key", to.api_keys,
                  "Key that " + who + " must send; may be repeated; default: the environment's LLAVA_API_KEY, or none")
      ->envname("LLAVA_API_KEY");
  command
      .add_option("--host-name", to.host_names,
                  "Further name under which " + who + " reach a server on a loopback address; may be repeated")
      ->check(host_name());
}
