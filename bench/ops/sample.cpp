// SPDX-License-Identifier: Apache-2.0
// Sampling of the next token: greedy, and by temperature with top_k and top_p.
#include <llava/ops/sample.hpp>

#include "../backends.hpp"
#include "../memory.hpp"

namespace {

struct sample_case {
  const char* how;
  std::ptrdiff_t rows, vocab;
  llava::sampling_params draw;

  std::string name() const {
    return std::string("sample/") + how + "/R" + std::to_string(rows) + "/V" + std::to_string(vocab);
  }
  template <class B>
  void run(benchmark::State& state) const {
    bench::device<B> d;
    const bench::array<> logits(rows, vocab, 5.f);
    const bench::array<std::int32_t> ids(1, rows);
    const bench::array<llava::sampling_params> draws(1, rows);
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
    if (!bench::is_right(state, wrong, 0)) return;
    bench::time(state, {0., 4. * static_cast<double>(rows * vocab)}, op);
  }
};

const bench::file samples([] {
  for (std::ptrdiff_t rows : {1, 16}) {
    bench::add_for_backends(sample_case{"greedy", rows, 32000, {}});
    bench::add_for_backends(sample_case{"top_k40_top_p0.9", rows, 32000, {0.8f, 0.9f, 40, 0.f}});
    bench::add_for_backends(sample_case{"top_p0.9", rows, 32000, {0.8f, 0.9f, 0, 0.f}});
  }
});

}  // namespace
