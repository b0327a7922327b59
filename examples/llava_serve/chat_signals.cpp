// SPDX-License-Identifier: Apache-2.0
#include "chat_signals.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <initializer_list>

namespace {

// Handlers may use atomics only if they have no lock.
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);
std::atomic<bool> interrupted{false}, resized{false}, continued{false};
std::atomic<int> ends_by{0};
int wakes[2] = {-1, -1};  // a pipe: a signal between a question and a wait is not missed

extern "C" void note_signal(int number) {
  const int before = errno;
  if (number == SIGINT)
    interrupted = true;
  else if (number == SIGWINCH)
    resized = true;
  else if (number == SIGCONT)
    continued = true;
  else
    ends_by = number;
  [[maybe_unused]] const auto written = ::write(wakes[1], "", 1);  // a full pipe wakes too
  errno = before;
}

}  // namespace

namespace chat_signals {

void install() {
  if (wakes[0] >= 0 || ::pipe2(wakes, O_CLOEXEC | O_NONBLOCK) != 0) return;
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGCONT}) {
    struct sigaction before {
    }, now{};
    now.sa_handler = note_signal;
    now.sa_flags = SA_RESTART;  // waits for input poll wake_descriptor()
    if (::sigaction(number, nullptr, &before) == 0 && before.sa_handler != SIG_IGN) ::sigaction(number, &now, nullptr);
  }
}

bool stop_requested() noexcept { return interrupted || ends_by != 0; }
bool take_interrupt() noexcept { return interrupted.exchange(false); }
int end_signal() noexcept { return ends_by; }

int wake_descriptor() noexcept { return wakes[0]; }
wake take_wake() noexcept {
  for (char bytes[64]; ::read(wakes[0], bytes, sizeof bytes) > 0;) {
  }
  return {resized.exchange(false), continued.exchange(false)};
}

}  // namespace chat_signals
