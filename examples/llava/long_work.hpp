// SPDX-License-Identifier: Apache-2.0
/// Work that takes long and writes files, for the subcommands of both programs: a progress bar, signals, errors.
#pragma once
#include <CLI/CLI.hpp>
#include <llava/base/error.hpp>
#include <llava/base/function_ref.hpp>
#include <llava/base/progress.hpp>

/// Calls work(report) with a progress bar. SIGINT, SIGTERM and SIGHUP cancel it; after an error, or when cancelled,
/// it ends the command.
void do_long_work(llava::function_ref<llava::result<void>(llava::progress_callback)> work);

/// A progress bar on standard error, after two seconds; nothing if that is not a terminal.
class progress_bar {
 public:
  progress_bar();
  ~progress_bar();
  progress_bar(const progress_bar&) = delete;
  progress_bar& operator=(const progress_bar&) = delete;
  void show(const llava::progress& p);

 private:
  double started_, drawn_ = 0;
  bool terminal_, visible_ = false;
};

/// Prints the sentence to standard error and ends the command with code 1.
[[noreturn]] void give_up(const llava::error& e);
template <class T>
T value_or_give_up(llava::result<T>&& r) {
  if (!r) give_up(r.error());
  return *std::move(r);
}
