// SPDX-License-Identifier: Apache-2.0
/// Work that writes folders: a progress bar, and signals that end it without leaving files.
#include <csignal>
#include <cstdio>

#include "command.hpp"

namespace {

volatile std::sig_atomic_t signal_seen = 0;
extern "C" void see_signal(int number) { signal_seen = number; }

/// Records the first SIGINT, SIGTERM or SIGHUP; the second ends the program. Signals ignored at the start stay ignored.
void ask_on_signals() {
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before {
    }, now{};
    now.sa_handler = see_signal;
    now.sa_flags = static_cast<int>(SA_RESETHAND);
    if (::sigaction(number, nullptr, &before) == 0 && before.sa_handler != SIG_IGN) ::sigaction(number, &now, nullptr);
  }
}

}  // namespace

void do_long_work(llava::function_ref<llava::result<void>(llava::progress_callback)> work) {
  ask_on_signals();
  llava::result<void> done;
  {
    progress_bar bar;
    done = work([&](const llava::progress& p) {
      bar.show(p);
      return signal_seen == 0;
    });
  }
  if (done) return;
  if (const int number = signal_seen; number != 0 && done.error().code() == llava::errc::cancelled) {
    std::fprintf(stderr, "%s\n", done.error().what());
    std::raise(number);  // no partial folder is left; the parent sees the signal
  }
  give_up(done.error());
}
