// SPDX-License-Identifier: Apache-2.0
/// The answers of `llava batch`, a line each in the order of the questions. A file of a run that was stopped is gone on
/// with: its complete lines are kept, after a check that they answer these questions.
#pragma once
#include <llava/base/error.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "batch_questions.hpp"

/// A file of answers.
class batch_output {
 public:
  batch_output() = default;
  batch_output(const batch_output&) = delete;
  batch_output& operator=(const batch_output&) = delete;
  ~batch_output();

  /// Opens or creates the file, and reads its answers; "-": standard output. Nothing of it changes. Errors: the file is
  /// `input`, is used by another run, or has lines that are no answers.
  llava::result<void> try_open(const std::string& file, int input);
  const std::string& name() const { return file_; }
  /// Answers that are there already.
  std::size_t kept() const { return lines_.size(); }
  /// Whether kept answer i is a failure. Errors: it is one to another question or of another model.
  llava::result<bool> try_match(std::size_t i, const question_head& q, const std::string& model) const;
  /// Removes the torn line behind the answers, after all have matched.
  llava::result<void> try_begin();

  /// Appends a line. If that fails, the file ends with the line before.
  llava::result<void> try_append(std::string_view line);
  llava::result<void> try_close();

 private:
  struct kept_line {
    std::string id, prompt, model;
    bool failed = false;
  };
  llava::result<void> try_read_lines();
  llava::result<void> try_keep(const std::string& line);

  std::string file_;
  int descriptor_ = -1;
  bool is_regular_ = false, lacks_newline_ = false;
  std::int64_t size_ = 0;  // bytes of complete lines
  std::vector<kept_line> lines_;
};
