// SPDX-License-Identifier: Apache-2.0
/// The subcommands of `llava-serve`, the program of everything that speaks HTTP, and what they share. Each function
/// adds one. Its callback returns the exit code through CLI::RuntimeError.
#pragma once
#include <signal.h>
#include <unistd.h>

#include <llava/base/error.hpp>
#include <llava/serve/http_client.hpp>
#include <llava/serve/http_settings.hpp>

#include <cstdio>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli_fwd.hpp"

void add_serve(CLI::App& app);
/// LLaVA's own serving protocol (docs/controller.md).
void add_controller(CLI::App& app);
void add_worker(CLI::App& app);
void add_register_worker(CLI::App& app);
void add_test_message(CLI::App& app);
void add_web(CLI::App& app);
void add_pull(CLI::App& app);  // docs/checkpoints.md

/// Makes https:// connections; null if the program is built without llava::serve_tls.
llava::result<std::shared_ptr<const llava::serve::tls_client>> try_make_tls();

/// The arguments with long options written out, where an unambiguous beginning was given, as Python's argparse takes
/// them: `--controller http://...` for --controller-address. `arguments` begins with the name of a subcommand.
std::vector<std::string> with_whole_options(CLI::App& app, std::vector<std::string> arguments);

/// SIGTERM and SIGINT, which only wait() sees. Made before any thread. SIGPIPE is ignored: a server outlives the reader
/// of its log.
class stop_signals {
 public:
  stop_signals() {
    ::signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set_);
    sigaddset(&set_, SIGTERM);
    sigaddset(&set_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  }
  void wait() const {
    int signal = 0;
    sigwait(&set_, &signal);
  }
  static void raise() { ::kill(::getpid(), SIGTERM); }

 private:
  sigset_t set_;
};

/// Prints a line with the time (UTC) to standard error, in the form of the original's logs.
inline void log_line(std::string_view name, std::string_view line) {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  char text[32] = "";
  if (::gmtime_r(&now, &parts)) std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
  std::fprintf(stderr, "%s | INFO | %.*s | %.*s\n", text, static_cast<int>(name.size()), name.data(),
               static_cast<int>(line.size()), line.data());
}
