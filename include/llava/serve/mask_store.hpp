// SPDX-License-Identifier: Apache-2.0
/// mask_store: the token masks of the response formats that a model was asked for last. Equal formats share theirs, so
/// that the schema of the next request costs nothing.
#pragma once
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <list>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <llava/base/sha256.hpp>
#include <llava/grammar/constraint.hpp>
#include <llava/pipeline/ask_as.hpp>
#include <llava/serve/response_format.hpp>

LLAVA_BEGIN
namespace serve {

/// The masks of one model's formats. Thread-safe.
class mask_store {
 public:
  static constexpr std::size_t most_kept = 64, most_bytes = std::size_t{256} << 20;
  /// For a token, about 40 ms, in which all answers of the model wait.
  static constexpr std::uint64_t most_work = 400'000;

  /// Returns the masks of a format, which are made unless they are known. Errors: those of the grammar, for which
  /// `field` receives their place, and of try_masks.
  result<token_masks> try_masks(const opened_model& model, const response_format& format, bool leading_space,
                                std::string& field) {
    const sha256_digest name = name_of(format, leading_space);
    field = format.param;
    if (auto known = find(name)) return *std::move(known);
    const std::lock_guard one_at_a_time(making_);  // and a format that two requests have is made once
    if (auto known = find(name)) return *std::move(known);
    LLAVA_TRY(texts, format.try_grammar(leading_space, field));
    LLAVA_TRY(made, llava::try_masks(model, std::move(texts), most_work));
    const std::lock_guard lock(mutex_);
    ++made_;
    kept_.push_front({name, made});
    return made;
  }
  /// Number of times that masks were made.
  std::uint64_t made() const {
    const std::lock_guard lock(mutex_);
    return made_;
  }

 private:
  struct entry {
    sha256_digest name;
    token_masks masks;
  };

  static sha256_digest name_of(const response_format& format, bool leading_space) {
    sha256 h;
    const auto add = [&](std::string_view text) {
      h.update_value(text.size());
      h.update_values(std::span<const char>(text));
    };
    h.update_value(format.is).update_value(leading_space);
    add(format.schema);
    for (const std::string& choice : format.choices) add(choice);
    return h.digest();
  }
  /// Finds masks and makes them the latest. Drops the oldest, whose memory grows while they are used.
  std::optional<token_masks> find(const sha256_digest& name) {
    std::list<entry> dropped;  // is destroyed without the mutex
    const std::lock_guard lock(mutex_);
    std::optional<token_masks> found;
    std::size_t bytes = 0, count = 0;
    for (auto i = kept_.begin(); i != kept_.end();) {
      const auto next = std::next(i);
      if (i->name == name) {
        found = i->masks;
        kept_.splice(kept_.begin(), kept_, i);
      }
      i = next;
    }
    for (auto i = kept_.begin(); i != kept_.end(); ++i) {
      bytes += i->masks.bytes();
      if (++count <= most_kept && bytes <= most_bytes) continue;
      dropped.splice(dropped.end(), kept_, i, kept_.end());
      break;
    }
    return found;
  }

  mutable std::mutex mutex_;
  std::mutex making_;
  std::list<entry> kept_;  // the latest first
  std::uint64_t made_ = 0;
};

}  // namespace serve
LLAVA_END
