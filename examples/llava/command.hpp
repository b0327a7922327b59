// SPDX-License-Identifier: Apache-2.0
/// Shared by the subcommands of `llava` and `llava-serve`: the options that open a model, images from the command line,
/// a progress bar.
#pragma once
#include <llava/chat_model.hpp>
#include <llava/checkpoint/checkpoint.hpp>
#include <llava/image/file_options.hpp>
#include <llava/image/sample_frames.hpp>
#include <llava/pipeline/options.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli_fwd.hpp"

/// The options that open a model.
struct model_options {
  std::string path, base, backend = "simd", dtype = "auto", conversation, packed_file, mmproj;
  bool legacy_tokenizer = false;
  bool adapted = false;  ///< on a backend with live adapters; not an option
  int threads = 0;
  int max_sequences = 16;  ///< answers that are computed at one time; not an option

  /// All of the following. `name` is how the model is given: an option, or also a positional argument
  /// ("MODEL,--model-path").
  void add_to(CLI::App& command, const std::string& name = "--model-path");
  /// --model-path, --model-base, --mmproj, --packed-file.
  void add_files_to(CLI::App& command, const std::string& name = "--model-path");
  /// --backend, --dtype, --load-4bit, --load-8bit, --threads, --legacy-tokenizer.
  void add_weights_to(CLI::App& command);
  /// --conv-mode.
  void add_conversation_to(CLI::App& command);

  /// The name of the format of the weights: --dtype, or that of the files.
  llava::result<std::string> try_weights() const;
  /// Opens the model, with a progress bar if that takes long and standard error is a terminal.
  llava::result<llava::chat_model> try_open() const;
  /// Opens the model with further options. Those that are options here take precedence.
  llava::result<llava::chat_model> try_open(llava::open_options options) const;
  /// Opens the model for questions, and warns on standard error if the conversation template is a guess.
  llava::result<llava::chat_model> try_open_to_ask() const;
  /// Warns on standard error if the conversation template is a guess.
  void warn_of_guess(const llava::chat_model& model) const;
};

/// --temperature, --top-p, --top-k, --min-p, --repetition-penalty, --max-new-tokens, --seed.
void add_generation_options(CLI::App& command, llava::generation_settings& to);
/// "eos", "stop", "length", "context", "cancelled", "deadline" or "stop_token".
std::string_view name_of(llava::finish_reason r);
/// The enumerator's name: "not_found", …
std::string_view name_of(llava::errc code);

/// The options that open a model's files without its weights: MODEL, --model-base, --mmproj, --legacy-tokenizer.
struct checkpoint_options {
  std::string path, base;
  llava::gguf_options gguf;

  void add_to(CLI::App& command);
  llava::result<llava::checkpoint> try_open() const { return llava::try_open_checkpoint(path, base, gguf); }
};

/// Calls work(report) with a progress bar. SIGINT, SIGTERM and SIGHUP cancel it; after an error, or when cancelled,
/// it ends the command.
void do_long_work(llava::function_ref<llava::result<void>(llava::progress_callback)> work);

/// Compares the names and shapes of a model's tensors with what the model needs.
llava::result<void> try_confirm_files(const llava::checkpoint& from);

/// How image files are read, in every format that this build reads.
struct image_file_options {
  bool apply_orientation = false;
  int mib = 20;
  std::optional<double> megapixels;

  /// --apply-orientation, --max-image-mib, --max-image-megapixels.
  void add_to(CLI::App& command);
  llava::image_options options() const;
  llava::result<llava::image> try_read(const std::string& file) const;
};

/// Reads the images of "a.png,b.jpg", split at `separator`; none without names. An empty name is an error.
llava::result<std::vector<llava::image>> try_read_images(const std::optional<std::string>& files,
                                                         const std::string& separator,
                                                         const image_file_options& how = {});

/// Reads a video: a folder of frames, and what else this build reads (docs/video.md).
llava::result<llava::video> try_read_any_video(const std::string& path, const llava::frame_request& wanted,
                                               const llava::image_options& how = {});

/// Prints and flushes text; gives up if that fails.
void print(std::string_view text);

/// @name Output files
/// An existing file is not overwritten, unless it begins with `start`, as ours do. Pipes and terminals are written to.
/// @{

/// Checks, before the work, whether try_write_output can succeed.
llava::result<void> try_check_output(const std::string& file, std::string_view start);
llava::result<void> try_write_output(const std::string& file, const std::vector<std::string_view>& parts,
                                     std::string_view start);
/// @}

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

/// @name The subcommands
/// Each function adds one. Its callback returns the exit code through CLI::RuntimeError.
/// @{
void add_ask(CLI::App& app);
void add_info(CLI::App& app);
void add_inspect(CLI::App& app);
void add_tokenize(CLI::App& app);
void add_eval(CLI::App& app);
void add_quantize(CLI::App& app);
void add_verify(CLI::App& app);
void add_convert(CLI::App& app);      // and the other tools that write models
void add_divergence(CLI::App& eval);  // a subcommand of `eval`
void add_serve(CLI::App& app);        // and the other programs that listen: they are llava-serve's
/// @}

/// Prints the sentence to standard error and ends the command with code 1.
[[noreturn]] void give_up(const llava::error& e);
template <class T>
T value_or_give_up(llava::result<T>&& r) {
  if (!r) give_up(r.error());
  return *std::move(r);
}
