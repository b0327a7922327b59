// SPDX-License-Identifier: Apache-2.0
// Models in GGUF files whose tensors keep their types. Weights are those of transformers, except IQ4_NL's, which become
// f16; products round activations to 14 bits.
#include "golden.hpp"

namespace {

struct own_types : llava::weights<llava::ggml> {
  using vision = llava::f32;
  using projector = llava::f32;
  using embeddings = llava::f32;
  using kv_cache = llava::f32;
};

}  // namespace

TEST_CASE("R15: models in GGUF files match transformers with every tensor in its own type") {
  constexpr golden::bounds close{0.9999, 1e-3, true};
  for (const char* name : {"gguf_llama", "gguf_qwen2"})
    golden::check<llava::pipeline<llava::any, llava::simd, own_types>>(name, 64, close);
}
