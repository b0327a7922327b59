// SPDX-License-Identifier: Apache-2.0
// Products at the shapes of CLIP ViT-L/14-336 and LLaMA-7B, for one decode row, a few rows, and a whole image or
// prompt.
#include "matmul.hpp"

#include "../formats.hpp"

namespace {

struct shape {
  std::ptrdiff_t columns, inner, most_rows;  // N, K
};
constexpr shape shapes[] = {{1024, 1024, 577}, {4096, 1024, 577},  {1024, 4096, 577},   // ViT-L
                            {4096, 4096, 640}, {11008, 4096, 640}, {4096, 11008, 640},  // 7B
                            {32000, 4096, 16}, {100, 100, 4}};                          // 7B's head; one for scalar

template <class F, class A = llava::no_activation>
void add(const bench::matmul_case<F, A>& c) {
  bench::add_for_backends(c);
  if constexpr (std::is_same_v<A, llava::no_activation> && llava::floating<F>) bench::baselines::add<F>(c);
}

const bench::file products([] {
  bench::product_formats::each([]<class F>() {
    for (const shape& s : shapes) {
      const auto columns = static_cast<std::size_t>(s.columns), inner = static_cast<std::size_t>(s.inner);
      if (llava::format<F>::bytes(columns, inner) > bench::pool_bytes()) continue;
      if constexpr (llava::affine_format<F>)
        if (s.inner % F::elements != 0) continue;
      for (std::ptrdiff_t rows : {1, 4, 16, 64, 577, 640})
        if (rows == s.most_rows || rows <= std::min<std::ptrdiff_t>(s.most_rows, 64))
          add(bench::matmul_case<F>{rows, s.columns, s.inner});
    }
    add(bench::matmul_case<F, llava::quick_gelu>{577, 4096, 1024});  // with their epilogues
    add(bench::matmul_case<F, llava::silu>{640, 11008, 4096});
  });
});

}  // namespace
