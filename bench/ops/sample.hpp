// SPDX-License-Identifier: Apache-2.0
/// Sampling of the next token as a case.
#pragma once
#include <llava/ops/sample.hpp>

#include "../backends.hpp"
#include "../memory.hpp"

namespace bench {

struct sample_case {
  const char* how;
  std::ptrdiff_t rows, vocab;
  llava::sampling_params draw;

  std::string name() const {
    return std::string("sample/") + how + "/R" + std::to_string(rows) + "/V" + std::to_string(vocab);
  }
  template <class B>
  void run(benchmark::State& state) const {
    device<B> d;
    const array<> logits(rows, vocab, 5.f);
    const array<std::int32_t> ids(1, rows);
    const array<llava::sampling_params> draws(1, rows);
    for (llava::sampling_params& one : draws.values()) one = draw;
    // With uniform = 0 every setting draws the most probable token, so the largest logit is the right one for all.
    const auto op = [&](std::size_t) {
      sample(d.queue, ids.vector(), llava::matrix_view<const float>(logits),
             llava::vector_view<const llava::sampling_params>(draws));
      d.finish();
    };
    op(0);
    double wrong = 0;
    for (std::ptrdiff_t r = 0; r < rows; ++r) {
      const float* row = logits.matrix().row(r);
      wrong += std::max_element(row, row + vocab) - row != ids.vector()(r);
    }
    if (!is_right(state, wrong, 0)) return;
    time(state, {0., 4. * static_cast<double>(rows * vocab)}, op);
  }
};

}  // namespace bench
