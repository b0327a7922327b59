// SPDX-License-Identifier: Apache-2.0
// The attention of vision towers.
#include "attention.hpp"

namespace {

const bench::file attentions([] {
  bench::add_for_backends(bench::attention_case{577, 16, 64});  // CLIP ViT-L/14-336
  bench::add_for_backends(bench::attention_case{729, 16, 72});  // SigLIP-so400m/14-384
  bench::add_for_backends(bench::attention_case{50, 16, 64});
});

}  // namespace
