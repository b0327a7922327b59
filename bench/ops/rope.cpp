// SPDX-License-Identifier: Apache-2.0
// rope and store_kv, in LLaMA-7B's shape and in a grouped-query one.
#include "rope.hpp"

namespace {

const bench::file ropes([] {
  for (int tokens : {1, 16, 640}) bench::add_for_backends(bench::rope_case<llava::f16>{tokens, 32, 32, 128});
  bench::add_for_backends(bench::rope_case<llava::bf16>{1, 32, 32, 128});
  bench::add_for_backends(bench::rope_case<llava::f32>{640, 32, 8, 128});
});

}  // namespace
