// SPDX-License-Identifier: Apache-2.0
/// llava batch: answers the questions of a file, many at a time, each as `llava ask` would alone.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <llava/chat_model.hpp>
#include <llava/checkpoint/folder_conversation.hpp>
#include <llava/pipeline/engine.hpp>
#include <llava/pipeline/opened_model.hpp>
#include <llava/pipeline/prepare.hpp>

#include <cerrno>
#include <cstdio>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_set>
#include <utility>

#include "batch_output.hpp"
#include "batch_questions.hpp"
#include "chat_command.hpp"
#include "lines.hpp"
#include "option_rules.hpp"

namespace {

constexpr std::size_t longest_line = std::size_t{256} << 20;    // images may come as data: URLs
constexpr std::size_t most_pixel_bytes = std::size_t{1} << 28;  // of the questions in work

struct batch_options {
  model_options model;
  llava::generation_settings generation;
  std::string input, output, folder;
};

/// The lines of the questions. Empty ones do not count.
class question_file {
 public:
  ~question_file() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  /// "-": standard input.
  llava::result<void> try_open(const std::string& file) {
    file_ = file == "-" ? "standard input" : file;
    descriptor_ = file == "-" ? ::dup(STDIN_FILENO) : ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat about {};
    if (descriptor_ < 0 || ::fstat(descriptor_, &about) != 0)
      return llava::fail_of_system(errno, "llava: cannot open ", file_);
    if (S_ISDIR(about.st_mode)) return llava::fail_of_system(EISDIR, "llava: cannot open ", file_);
    size_ = S_ISREG(about.st_mode) ? static_cast<std::uint64_t>(about.st_size) : 0;
    reader_.emplace(descriptor_, longest_line);
    return {};
  }
  /// Reads the next line; `wrong`: why it is none. Returns false at the end.
  llava::result<bool> try_next(std::string& line, std::optional<llava::error>& wrong) {
    for (;;) {
      wrong.reset();
      switch (reader_->next(line)) {
        case line_kind::end:
          return false;
        case line_kind::interrupted:
          continue;
        case line_kind::failed:
          return llava::fail_of_system(errno, "llava: cannot read ", file_);
        case line_kind::too_long:
          wrong = llava::fail(llava::errc::unsupported,
                              llava::text_of("llava: the line has more than ", longest_line, " bytes"));
          line.clear();
          break;
        case line_kind::text:
          done_ += line.size() + 1;
          if (llava::stripped(line).empty()) continue;
      }
      ++number_;
      return true;
    }
  }
  int descriptor() const { return descriptor_; }
  const std::string& name() const { return file_; }
  std::size_t number() const { return number_; }
  /// Bytes of the lines so far, and of the file.
  std::uint64_t done() const { return done_; }
  std::uint64_t size() const { return size_; }

 private:
  std::string file_;
  int descriptor_ = -1;
  std::optional<line_reader> reader_;
  std::size_t number_ = 0;
  std::uint64_t done_ = 0, size_ = 0;
};

/// A question in work, or one whose line waits for those before it.
struct asked_question {
  std::size_t number = 0;
  question_head head;
  std::optional<llava::answer_stream> stream;
  std::size_t pixels = 0;
  std::string line;  // the answer's, when there is one
  std::uint64_t read = 0;
  bool failed = false;
};

class batch_run {
 public:
  explicit batch_run(const batch_options& o) : options_(o), name_(llava::detail::name_of_folder(o.model.path)) {}

  /// Opens the files, and reads the answers that are there.
  llava::result<void> try_open() {
    LLAVA_CHECK(questions_.try_open(options_.input));
    LLAVA_CHECK(answers_.try_open(options_.output, questions_.descriptor()));
    std::string line;
    std::optional<llava::error> wrong;
    for (std::size_t i = 0; i < answers_.kept(); ++i) {
      LLAVA_TRY(is_there, questions_.try_next(line, wrong));
      if (!is_there)
        return llava::fail(llava::errc::mismatch, llava::text_of("llava: ", options_.output, " has ", answers_.kept(),
                                                                 " answers, but ", questions_.name(), " has ", i,
                                                                 " questions; choose another name for the answers"));
      question_head head;
      if (wrong)
        head.id = std::to_string(questions_.number());
      else
        static_cast<void>(try_read_head(line, questions_.number(), head));  // the answer is a failure then
      LLAVA_TRY(failed, answers_.try_match(i, head, name_));
      count(failed);
      note_id(head.id);
    }
    written_ = questions_.done();
    return answers_.try_begin();
  }

  llava::result<void> try_run(std::shared_ptr<const llava::opened_model> model, llava::progress_callback report) {
    model_ = std::move(model);
    for (bool more = true; more || !asked_.empty();) {
      while (more && has_room()) {
        LLAVA_TRY(is_there, try_take());
        more = is_there;
      }
      if (in_work_ > 0) LLAVA_CHECK(model_->engine().try_step());
      for (asked_question& q : asked_)
        if (q.stream) take_news(q);
      for (; !asked_.empty() && !asked_.front().line.empty(); asked_.pop_front()) {
        LLAVA_CHECK(answers_.try_append(asked_.front().line));
        count(asked_.front().failed);
        written_ = asked_.front().read;
      }
      if (!report({"answering", written_, questions_.size()}))
        return llava::fail(llava::errc::cancelled,
                           llava::text_of("llava: stopped after ", done_, " answers; the same command goes on"));
    }
    return answers_.try_close();
  }

  std::size_t done() const { return done_; }
  std::size_t failed() const { return failed_; }
  /// Questions whose question_id one before them has.
  std::size_t repeated() const { return repeated_; }
  const std::string& answers_name() const { return answers_.name(); }

 private:
  void note_id(const std::string& id) { repeated_ += static_cast<std::size_t>(!ids_.insert(id).second); }
  void count(bool failed) { ++done_, failed_ += failed ? 1 : 0; }

  /// Twice as many as are computed at one time, so that none waits for a slow one before it.
  bool has_room() const {
    return asked_.size() < 8 * sequences() && in_work_ < 2 * sequences() &&
           (in_work_ == 0 || pixels_ < most_pixel_bytes);
  }
  std::size_t sequences() const { return static_cast<std::size_t>(options_.model.max_sequences); }

  llava::result<bool> try_take() {
    std::string line;
    std::optional<llava::error> wrong;
    LLAVA_TRY(is_there, questions_.try_next(line, wrong));
    if (!is_there) return false;
    asked_question& q = asked_.emplace_back();
    q.number = questions_.number();
    q.read = questions_.done();
    q.head.id = std::to_string(q.number);
    const auto submitted = wrong ? llava::result<void>(*std::move(wrong)) : try_submit(line, q);
    note_id(q.head.id);
    if (!submitted) fail(q, submitted.error());
    return true;
  }

  llava::result<void> try_submit(const std::string& line, asked_question& q) {
    LLAVA_TRY(root, try_read_head(line, q.number, q.head));
    const auto& about = model_->opened.description;
    LLAVA_TRY(read, try_read_question(root, q.head.prompt, about.image_start_end, options_.folder));
    LLAVA_TRY(prompt, llava::try_chat_prompt(*model_, read.turns));
    std::vector<llava::visual> images;
    for (given_image& one : read.images) {
      q.pixels += one.pixels.pixels().size();
      images.emplace_back(std::move(one.pixels));
    }
    LLAVA_TRY(prepared, llava::try_prepare(*model_, prompt, std::move(images)));
    llava::answer_request request{.prompt = std::move(prepared)};
    request.settings = options_.generation;
    LLAVA_TRY(stream, llava::engine::try_submit(model_, std::move(request)));
    q.stream.emplace(std::move(stream));
    ++in_work_, pixels_ += q.pixels;
    return {};
  }

  void take_news(asked_question& q) {
    const auto news = q.stream->try_take();
    if (news && !(*news && (*news)->ended)) return;
    if (news)
      q.line = answer_line(q.head, q.number, q.stream->whole().text, name_);
    else
      fail(q, news.error());
    q.stream.reset();
    --in_work_, pixels_ -= q.pixels;
  }

  void fail(asked_question& q, const llava::error& e) {
    q.failed = true;
    q.line = failure_line(q.head, e, name_);
  }

  std::shared_ptr<const llava::opened_model> model_;
  const batch_options& options_;
  std::string name_;
  question_file questions_;
  batch_output answers_;
  std::deque<asked_question> asked_;  // in the order of the questions
  std::size_t in_work_ = 0, pixels_ = 0, done_ = 0, failed_ = 0, repeated_ = 0;
  std::unordered_set<std::string> ids_;
  std::uint64_t written_ = 0;
};

int run(const batch_options& o) {
  batch_run work(o);
  if (const auto opened = work.try_open(); !opened) give_up(opened.error());  // before a model that takes minutes
  const std::size_t kept = work.done();
  if (kept > 0) std::fprintf(stderr, "llava: %s has %zu answers already\n", work.answers_name().c_str(), kept);
  const llava::chat_model model = value_or_give_up(o.model.try_open_to_ask());
  do_long_work([&](llava::progress_callback report) { return work.try_run(model.shared(), report); });
  if (work.repeated() > 0)
    std::fprintf(stderr,
                 "llava: %zu of %zu questions have the question_id of an earlier one; answers are in the order of the "
                 "questions\n",
                 work.repeated(), work.done());
  if (work.failed() == 0) return 0;
  std::fprintf(stderr, "llava: %zu of %zu questions have no answer; their lines in %s say why\n", work.failed(),
               work.done(), work.answers_name().c_str());
  return 1;
}

}  // namespace

void add_batch(CLI::App& app) {
  CLI::App& command = *app.add_subcommand("batch", "Answer the questions of a file, a line of JSON each");
  command.footer(
      "Example: llava batch --model-path MODEL questions.jsonl -o answers.jsonl --image-folder images\n"
      "A question: {\"question_id\": 1, \"image\": \"cat.png\", \"text\": \"What is this?\"}\n"
      "docs/chat.md describes the lines.");
  const auto o = std::make_shared<batch_options>();
  o->generation.temperature = 0.2f;  // model_vqa's defaults; other settings are the folder's
  o->generation.max_new_tokens = 1024;
  o->model.add_to(command);
  command.add_option("INPUT,--question-file", o->input, "File of questions, INPUT or this option; -: standard input")
      ->required();
  command
      .add_option("-o,--answers-file", o->output,
                  "File of answers; if it is there, the run goes on with it; -: standard output")
      ->required();
  command.add_option("--image-folder", o->folder,
                     "Folder of the images that are not given by an absolute name; default: the current one");
  command.add_option("--max-sequences", o->model.max_sequences, "Answers that are computed at one time")
      ->check(CLI::Range(1, 1024));
  add_generation_options(command, o->generation);
  command.callback([o] {
    if (const int code = run(*o); code != 0) throw CLI::RuntimeError(code);
  });
}
