// SPDX-License-Identifier: Apache-2.0
/// The subcommands of `llava-serve` that need no network: chat and batch (docs/chat.md).
#pragma once
#include <string>
#include <string_view>

#include <llava/text/utf8.hpp>

#include "command.hpp"
#include "dialogue.hpp"

void add_chat(CLI::App& app);
void add_batch(CLI::App& app);

/// The options of `llava chat`.
struct chat_options {
  model_options model;
  dialogue_settings settings;
  std::vector<std::string> images;
  bool json = false, verbose = false, debug = false;
};

/// A conversation in a terminal, or over pipes. Returns the exit code.
int run_chat(dialogue& chat, const chat_options& o);
/// The same for scripts, in lines of JSON.
int run_json_chat(dialogue& chat);

/// Most bytes of a question.
inline constexpr std::size_t longest_question = std::size_t{4} << 20;

/// Removes white space at both ends of a text that comes in pieces, as answer::text has none.
class trimmed_pieces {
 public:
  /// Returns what can be shown now.
  std::string push(std::string_view piece) {
    held_ += piece;
    if (!has_begun_) held_ = std::string(llava::lstripped(held_));
    has_begun_ = has_begun_ || !held_.empty();
    const std::size_t shown = llava::rstripped(held_).size();
    std::string out = held_.substr(0, shown);
    held_.erase(0, shown);
    return out;
  }

 private:
  std::string held_;
  bool has_begun_ = false;
};
