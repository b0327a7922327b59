// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <memory>

#include "models.hpp"
#include "option_rules.hpp"

namespace {
// Options that several commands have.
constexpr const char* about_path = "Folder or GGUF file of the model, or its name in the Hugging Face cache";
constexpr const char* about_base = "The model under an adapter, a projector alone or a delta";
constexpr const char* about_mmproj = "GGUF file of the vision tower; default: the one beside the model";
constexpr const char* about_legacy = "GGUF: the tokenizer of a model of LLaMA 1";

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// Whether the file is a pipe or a character device, where writing loses no data.
bool is_stream(const std::string& file) {
  struct stat about {};
  return ::stat(file.c_str(), &about) == 0 && (S_ISCHR(about.st_mode) || S_ISFIFO(about.st_mode));
}
/// Whether the file begins like those that this command writes, so that it may be overwritten.
bool is_ours(const std::string& file, std::string_view start) {
  struct stat about {};
  if (::lstat(file.c_str(), &about) != 0 || !S_ISREG(about.st_mode)) return false;
  std::string found(start.size(), '\0');
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> in(std::fopen(file.c_str(), "rb"), &std::fclose);
  return in && std::fread(found.data(), 1, found.size(), in.get()) == found.size() && found == start;
}
llava::error is_there(const std::string& file) {
  return llava::fail(llava::errc::io,
                     llava::text_of("llava: ", file, " already exists; remove it, or choose another name"));
}
}  // namespace

void model_options::add_to(CLI::App& command, const std::string& name) {
  add_files_to(command, name);
  add_weights_to(command);
  add_conversation_to(command);
}

void model_options::add_files_to(CLI::App& command, const std::string& name) {
  command.add_option(name, path, about_path)->required();
  command.add_option("--model-base", base, about_base);
  command.add_option("--mmproj", mmproj, about_mmproj);
  command.add_option("--packed-file", packed_file,
                     "Packed file of quantised weights, for faster starts; written if absent");
}

void model_options::add_weights_to(CLI::App& command) {
  command.add_option("--backend", backend, "Backend that runs the model")->check(CLI::IsMember({"simd", "scalar"}));
  std::vector<std::string> dtypes = compiled_dtypes();
  dtypes.insert(dtypes.begin(), "auto");
  command.add_option("--dtype", dtype, "Format of the weights; auto: as stored")->check(CLI::IsMember(dtypes));
  command
      .add_flag_callback(
          "--load-4bit", [this] { dtype = "nf4"; }, "--dtype nf4: linear layers as bitsandbytes quantises them")
      ->excludes("--dtype");
  command
      .add_flag_callback(
          "--load-8bit", [this] { dtype = "int8"; }, "--dtype int8: linear layers as bitsandbytes quantises them")
      ->excludes("--dtype", "--load-4bit");
  command.add_option("--threads", threads, "Threads of a model; 0: one per usable processor")
      ->check(CLI::Range(0, 1024));
  command.add_flag("--legacy-tokenizer", legacy_tokenizer, about_legacy);
}

void model_options::add_conversation_to(CLI::App& command) {
  command.add_option("--conv-mode", conversation,
                     "Conversation template, by the reference's name; default: the folder's");
}

void checkpoint_options::add_to(CLI::App& command) {
  command.add_option("MODEL,--model-path", path, about_path)->required();
  command.add_option("--model-base", base, about_base);
  command.add_option("--mmproj", gguf.mmproj, about_mmproj);
  command.add_flag("--legacy-tokenizer", gguf.legacy_tokenizer, about_legacy);
}

void add_generation_options(CLI::App& command, llava::generation_settings& to) {
  show_default(command.add_option("--temperature", to.temperature, "0: greedy, always the likeliest token"),
               to.temperature)
      ->check(CLI::Range(0.0, 100.0));
  show_default(
      command.add_option("--top_p,--top-p", to.top_p,
                         "Keep the likeliest tokens up to this total probability; default: the model folder's, or 1"),
      to.top_p)
      ->check(CLI::Range(0.0, 1.0));
  command
      .add_option("--top_k,--top-k", to.top_k,
                  "Keep this many of the likeliest tokens; 0: all; default: the model folder's, or 50")
      ->check(CLI::Range(0, 1 << 24));
  command
      .add_option("--min_p,--min-p", to.min_p,
                  "Keep tokens with at least this share of the largest probability; default: the model folder's, or 0")
      ->check(CLI::Range(0.0, 1.0));
  command.add_option("--repetition-penalty,--repetition_penalty", to.repetition_penalty,
                     "Divides the logits of tokens of prompt and answer; default: the model folder's, or 1: none");
  show_default(command.add_option("--max-new-tokens,--max_new_tokens", to.max_new_tokens,
                                  "Largest number of tokens in the answer"),
               to.max_new_tokens)
      ->check(CLI::Range(1, 1 << 24));
  command.add_option("--seed", to.seed, "The same seed gives the same answer");
}

std::string_view name_of(llava::finish_reason r) {
  static constexpr const char* names[] = {"eos", "stop", "length", "context", "cancelled", "deadline", "stop_token"};
  return names[static_cast<int>(r)];
}

std::string_view name_of(llava::errc code) {
  static constexpr const char* names[] = {
      "not_found",    "invalid_format", "unsupported", "mismatch", "invalid_argument", "out_of_memory",
      "context_full", "cancelled",      "io",          "busy",     "not_finite"};
  return names[static_cast<int>(code)];
}

llava::result<std::string> model_options::try_weights() const {
  return dtype == "auto" ? try_stored_dtype(base.empty() ? path : base) : llava::result<std::string>(dtype);
}

llava::result<llava::chat_model> model_options::try_open() const {
  progress_bar bar;
  llava::open_options options;
  options.max_sequences = max_sequences;
  options.report = [&](const llava::progress& p) {
    bar.show(p);
    return true;
  };
  return try_open(std::move(options));
}

llava::result<llava::chat_model> model_options::try_open(llava::open_options options) const {
  options.threads = threads;
  options.packed_file = packed_file;
  options.model_base = base;
  options.conversation = conversation;
  options.mmproj = mmproj;
  options.legacy_tokenizer = legacy_tokenizer;
  LLAVA_TRY(weights, try_weights());
  if (!packed_file.empty()) LLAVA_CHECK(try_check_packed_file(packed_file, weights));
  return try_open_model(path, adapted ? "adapted<" + backend + ">" : backend, weights, options);
}

void model_options::warn_of_guess(const llava::chat_model& model) const {
  if (const llava::chat_description d = model.description(); d.conversation_guessed)
    std::fprintf(stderr, "llava: %s: the conversation template %s is a guess: %s; --conv-mode chooses another\n",
                 path.c_str(), d.conversation.c_str(), d.conversation_reason.c_str());
}

llava::result<llava::chat_model> model_options::try_open_to_ask() const {
  LLAVA_TRY(model, try_open());
  warn_of_guess(model);
  return std::move(model);
}

llava::result<std::vector<llava::image>> try_read_images(const std::optional<std::string>& files,
                                                         const std::string& separator, const image_file_options& how) {
  std::vector<llava::image> images;
  if (!files) return images;
  for (std::size_t at = 0, end = 0;; at = end + separator.size()) {
    end = separator.empty() ? files->size() : std::min(files->find(separator, at), files->size());
    if (end == at)
      return llava::fail(llava::errc::invalid_argument,
                         llava::text_of("llava: image ", images.size() + 1, " of '", *files, "' has an empty name"));
    auto img = how.try_read(files->substr(at, end - at));
    if (!img && img.error().code() == llava::errc::not_found && (at > 0 || end < files->size()))
      return llava::fail(llava::errc::not_found,
                         llava::text_of(img.error().sentence(), "; '", separator,
                                        "' separates images: if it is part of a name, choose another with --sep"));
    if (!img) return std::move(img).error();
    images.push_back(*std::move(img));
    if (end == files->size()) return images;
  }
}

void print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    give_up(llava::fail_of_system(errno, "llava: cannot write to standard output"));
}

llava::result<void> try_check_output(const std::string& file, std::string_view start) {
  struct stat about {};
  if (::lstat(file.c_str(), &about) == 0)
    return is_stream(file) || is_ours(file, start) ? llava::result<void>() : is_there(file);
  const std::string folder = file.substr(0, file.rfind('/') + 1);
  if (errno != ENOENT || ::access(folder.empty() ? "." : folder.c_str(), W_OK) != 0)
    return llava::fail_of_system(errno, "llava: cannot write ", file);
  return {};
}

llava::result<void> try_write_output(const std::string& file, const std::vector<std::string_view>& parts,
                                     std::string_view start) {
  // A file of ours is replaced by a complete one.
  const std::string to = is_ours(file, start) ? file + ".partial-" + std::to_string(::getpid()) : file;
  int descriptor = ::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  const bool is_new = descriptor >= 0;
  if (!is_new && errno == EEXIST) {
    if (!is_stream(to)) return is_there(to);
    descriptor = ::open(to.c_str(), O_WRONLY | O_CLOEXEC);
  }
  if (descriptor < 0) return llava::fail_of_system(errno, "llava: cannot write ", file);
  int failure = 0;
  for (std::string_view part : parts)
    while (!part.empty() && failure == 0) {
      const ::ssize_t n = ::write(descriptor, part.data(), part.size());
      if (n > 0)
        part.remove_prefix(static_cast<std::size_t>(n));
      else if (n == 0 || errno != EINTR)
        failure = n == 0 ? EIO : errno;
    }
  if (::close(descriptor) != 0 && failure == 0) failure = errno;
  if (failure == 0 && to != file && std::rename(to.c_str(), file.c_str()) != 0) failure = errno;
  if (failure == 0) return {};
  if (is_new) ::unlink(to.c_str());  // leaves no partial file
  return llava::fail_of_system(failure, "llava: cannot write ", file);
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
