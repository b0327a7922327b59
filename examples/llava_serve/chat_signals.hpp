// SPDX-License-Identifier: Apache-2.0
/// The signals of `llava chat`: Ctrl-C stops an answer and not the program; SIGTERM and SIGHUP end it in good order.
#pragma once

namespace chat_signals {

/// Installs the handlers. Signals that were ignored at the start stay ignored.
void install();

/// Whether an answer is to stop, since Ctrl-C was pressed or the program is to end. Any thread may ask.
bool stop_requested() noexcept;
/// Returns whether Ctrl-C was pressed, and forgets it.
bool take_interrupt() noexcept;
/// The signal that ends the program, or 0.
int end_signal() noexcept;

/// What has woken a wait for input.
struct wake {
  bool resized = false, continued = false;
};
/// A descriptor that can be read when a signal has come; -1 without install().
int wake_descriptor() noexcept;
/// Empties the descriptor. The size of the terminal has changed, or the program goes on after Ctrl-Z.
wake take_wake() noexcept;

/// For hooks.stop of a session.
struct stop {
  bool stop_requested() const noexcept { return chat_signals::stop_requested(); }
};

}  // namespace chat_signals
