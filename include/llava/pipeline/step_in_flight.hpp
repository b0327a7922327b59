// SPDX-License-Identifier: Apache-2.0
/// step_in_flight: a step of the scheduler between its begin and its finish.
///
/// On a backend that runs ahead (ops/run_ahead.hpp), the scheduler begins a second step while one computes: the next
/// tokens of all rows that draw one and do not need the host before the next. A row may turn out to have ended with the
/// first step. Then its part of the second is dropped: its keys and values are not counted in the cache, as those of a
/// wrong guess of prompt_lookup. Until the second step is finished, it holds the blocks that it writes, so that nobody
/// else gets them.
#pragma once
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include <llava/base/stopwatch.hpp>
#include <llava/llm/block_allocator.hpp>
#include <llava/pipeline/step_part.hpp>
#include <llava/pipeline/step_request.hpp>

LLAVA_BEGIN

struct answer_row;
class adapter;

/// Has the place of a token that the device draws.
inline constexpr prompt_token unknown_token{};

/// A step that has begun.
struct step_in_flight {
  struct row {
    answer_row* asked;  ///< null once it is gone
    int tokens;         ///< of its part
    int logit_rows;
    std::shared_ptr<const llava::adapter> adapter;  ///< is used until the step is finished
    int held = -1;                                  ///< block of the cache; −1: the row holds its blocks itself
  };
  std::vector<row> rows;
  step_results results;
  stopwatch clock;

  bool is_begun() const { return !rows.empty(); }
  /// Drops a row, whose request is destroyed. Returns whether the step still has another.
  bool forget(const answer_row* gone) {
    bool any = false;
    for (row& r : rows) {
      if (r.asked == gone) r.asked = nullptr;
      any = any || r.asked;
    }
    return any;
  }
  /// Gives up its rows and blocks, when the step is finished.
  void clear(block_allocator& blocks) {
    for (const row& r : rows)
      if (r.held >= 0) blocks.drop(r.held);
    rows.clear();
  }
};

LLAVA_END
