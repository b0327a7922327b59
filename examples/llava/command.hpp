// SPDX-License-Identifier: Apache-2.0
/// What the subcommands of `llava` share: the options that open a model, images from the command line, a progress
/// bar.
#pragma once
#include <CLI/CLI.hpp>
#include <llava/chat_model.hpp>
#include <llava/pipeline/options.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// --model-path, --backend, --dtype, --threads, --conv-mode, --packed-file.
struct model_options {
  std::string path, backend = "simd", dtype = "auto", conversation, packed_file;
  int threads = 0;

  /// `name` says how the model itself is given: by an option, or in its place ("MODEL,--model-path").
  void add_to(CLI::App& command, const std::string& name = "--model-path");
  /// Opens the model; a progress bar when it takes long and standard error is a terminal.
  llava::result<llava::chat_model> try_open() const;
  /// The same for questions: a line on standard error when the conversation template is a guess.
  llava::result<llava::chat_model> try_open_to_ask() const;
};

/// Reads the images of "a.png,b.jpg", cut at `separator`; none when no names were given. An empty name is an error.
llava::result<std::vector<llava::image>> try_read_images(const std::optional<std::string>& files,
                                                         const std::string& separator);

/// Prints text at once; gives up when it does not arrive.
void print(std::string_view text);

/// @name Files that the command makes
/// One that is there stays as it is, unless it begins with `start`, as ours do; pipes and terminals take what comes.
/// @{

/// Whether try_write_output has a chance: to be asked before the work is done.
llava::result<void> try_check_output(const std::string& file, std::string_view start);
llava::result<void> try_write_output(const std::string& file, const std::vector<std::string_view>& parts,
                                     std::string_view start);
/// @}

/// A bar on standard error once something has taken two seconds; nothing in a pipe.
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

/// A string as JSON writes it, quotes included.
std::string json_text(std::string_view text);

/// @name The subcommands
/// Each adds itself; its callback returns the exit code through CLI::RuntimeError.
/// @{
void add_ask(CLI::App& app);
void add_inspect(CLI::App& app);
void add_tokenize(CLI::App& app);
void add_eval(CLI::App& app);
void add_quantize(CLI::App& app);
void add_divergence(CLI::App& eval);  // below `eval`
/// @}

/// Prints the sentence to standard error and ends the command with code 1.
[[noreturn]] void give_up(const llava::error& e);
template <class T>
T value_or_give_up(llava::result<T>&& r) {
  if (!r) give_up(r.error());
  return *std::move(r);
}
