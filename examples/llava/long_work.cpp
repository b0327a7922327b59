// SPDX-License-Identifier: Apache-2.0
/// Work that writes folders: a progress bar, and signals that end it without leaving files.
#include "long_work.hpp"

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <string>

namespace {

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

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

progress_bar::progress_bar() : started_(seconds()), terminal_(isatty(STDERR_FILENO) != 0) {}

progress_bar::~progress_bar() {
  if (visible_) std::fputs("\r\x1b[K", stderr);
}

void progress_bar::show(const llava::progress& p) {
  const double now = seconds();
  if (!terminal_ || now - started_ < 2 || now - drawn_ < 0.1 || p.total == 0) return;
  drawn_ = now;
  visible_ = true;
  const double share = static_cast<double>(p.done) / static_cast<double>(p.total);
  const double left = share > 0 ? (now - started_) / share * (1 - share) : 0;
  const std::string bar(static_cast<std::size_t>(share * 30), '=');
  std::fprintf(stderr, "\r%.*s [%-30s] %3.0f %%  %.0f s left \x1b[K", static_cast<int>(p.what.size()), p.what.data(),
               bar.c_str(), share * 100, left);
}

void give_up(const llava::error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  throw CLI::RuntimeError(1);
}
