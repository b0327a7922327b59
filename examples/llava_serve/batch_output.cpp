// SPDX-License-Identifier: Apache-2.0
#include "batch_output.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <llava/checkpoint/json.hpp>
#include <llava/serve/python_json.hpp>
#include <llava/text/shown.hpp>
#include <llava/text/utf8.hpp>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "lines.hpp"

namespace {

constexpr std::string_view start_of_line = "{\"question_id\": ";
constexpr std::size_t longest_line = std::size_t{64} << 20;

bool is_same_file(int descriptor, int other) {
  struct stat a {
  }, b{};
  return ::fstat(descriptor, &a) == 0 && ::fstat(other, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

}  // namespace

batch_output::~batch_output() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

llava::result<void> batch_output::try_open(const std::string& file, int input) {
  file_ = file == "-" ? "standard output" : file;
  if (file == "-") {  // written to where the shell has put it, never read
    descriptor_ = ::dup(STDOUT_FILENO);
    return descriptor_ < 0 ? llava::fail_of_system(errno, "llava: cannot write to ", file_) : llava::result<void>();
  }
  struct stat about {};
  is_regular_ = ::stat(file.c_str(), &about) != 0 || S_ISREG(about.st_mode);
  descriptor_ = ::open(file.c_str(), (is_regular_ ? O_RDWR | O_CREAT : O_WRONLY) | O_CLOEXEC, 0666);
  if (descriptor_ < 0) return llava::fail_of_system(errno, "llava: cannot write ", file);
  if (!is_regular_) return {};
  if (is_same_file(descriptor_, input))
    return llava::fail(llava::errc::invalid_argument,
                       llava::text_of("llava: ", file, " holds the questions; give the answers another name"));
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    return llava::fail(llava::errc::busy, llava::text_of("llava: ", file, " is being written by another run"));
  return try_read_lines();
}

llava::result<void> batch_output::try_read_lines() {
  line_reader lines(descriptor_, longest_line);
  for (std::string line;;) {
    const line_kind kind = lines.next(line);
    if (kind == line_kind::end) return {};
    const bool is_line = kind == line_kind::text && lines.had_newline();
    const auto kept =
        kind == line_kind::text ? try_keep(line) : llava::result<void>(llava::fail(llava::errc::io, std::string()));
    if (!kept) {
      // The last line of a run that was killed lacks its end, and is no JSON.
      const std::size_t begun = std::min(line.size(), start_of_line.size());
      const bool is_torn = !is_line && kept.error().code() == llava::errc::invalid_format;
      if (is_torn && line.substr(0, begun) == start_of_line.substr(0, begun)) return {};
      return llava::fail(llava::errc::invalid_format,
                         llava::text_of("llava: ", file_, ": line ", lines_.size() + 1,
                                        " is not an answer of this program; choose another name for the answers"));
    }
    size_ += static_cast<std::int64_t>(line.size()) + (is_line ? 1 : 0);
    lacks_newline_ = !is_line;
  }
}

llava::result<void> batch_output::try_keep(const std::string& line) {
  LLAVA_TRY(root, llava::try_parse_json(file_, line));
  const llava::json_value *id = root.find("question_id"), *prompt = root.find("prompt"), *model = root.find("model_id");
  const llava::json_value *text = root.find("text"), *failure = root.find("error");
  const bool is_whole = id && (id->text() || id->integer()) && prompt && prompt->text() && model && model->text() &&
                        ((text && text->text()) || (failure && failure->is_object()));
  if (!is_whole) return llava::fail(llava::errc::mismatch, "not an answer");
  lines_.push_back({id->text() ? llava::serve::python_json_string(*id->text()) : std::to_string(*id->integer()),
                    *prompt->text(), *model->text(), failure != nullptr});
  return {};
}

llava::result<bool> batch_output::try_match(std::size_t i, const question_head& q, const std::string& model) const {
  const kept_line& k = lines_[i];
  if (k.id == q.id && k.prompt == q.prompt && k.model == llava::valid_utf8(model)) return k.failed;
  return llava::fail(
      llava::errc::mismatch,
      llava::text_of("llava: ", file_, ": line ", i + 1, " is the answer of ", llava::detail::shown(k.model),
                     " to question ", llava::detail::shown(k.id), ", expected ", llava::detail::shown(model),
                     " and question ", llava::detail::shown(q.id),
                     " with the same text; choose another name for the answers, or remove the file to begin anew"));
}

llava::result<void> batch_output::try_begin() {
  if (!is_regular_) return {};
  if (::ftruncate(descriptor_, size_) != 0 || ::lseek(descriptor_, 0, SEEK_END) < 0)
    return llava::fail_of_system(errno, "llava: cannot write ", file_);
  return std::exchange(lacks_newline_, false) ? try_append("\n") : llava::result<void>();
}

llava::result<void> batch_output::try_append(std::string_view line) {
  for (std::string_view rest = line; !rest.empty();) {
    const ::ssize_t n = ::write(descriptor_, rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      const int number = n < 0 ? errno : EIO;
      if (is_regular_ && ::ftruncate(descriptor_, size_) != 0) errno = number;  // the next run drops the torn line
      return llava::fail_of_system(number, "llava: cannot write ", file_);
    }
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
  size_ += static_cast<std::int64_t>(line.size());
  return {};
}

llava::result<void> batch_output::try_close() {
  const int failure = is_regular_ && ::fsync(descriptor_) != 0 ? errno : 0;
  const bool closed = ::close(std::exchange(descriptor_, -1)) == 0;
  if (failure != 0 || !closed)
    return llava::fail_of_system(failure != 0 ? failure : errno, "llava: cannot write ", file_);
  return {};
}
