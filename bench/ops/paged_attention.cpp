// SPDX-License-Identifier: Apache-2.0
// Attention over the KV cache: one decode row at a depth, and a whole prompt (causal), in LLaMA-7B's shape and in a
// grouped-query one.
#include "paged_attention.hpp"

namespace {

const bench::file paged_attentions([] {
  for (int tokens : {1, 4, 16, 640}) {
    bench::add_for_backends(bench::paged_attention_case<llava::f16>{tokens, 640, 32, 32, 128});
    bench::add_for_backends(bench::paged_attention_case<llava::f16>{tokens, 640, 32, 8, 128});
  }
  bench::add_for_backends(bench::paged_attention_case<llava::bf16>{1, 640, 32, 32, 128});
  bench::add_for_backends(bench::paged_attention_case<llava::f32>{1, 640, 32, 32, 128});
  bench::add_for_backends(bench::paged_attention_case<llava::f16>{1, 4096, 32, 32, 128});
});

}  // namespace
