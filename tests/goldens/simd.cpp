// SPDX-License-Identifier: Apache-2.0
#include "golden.hpp"
#include "original_program.hpp"

TEST_CASE("R15: every stage of all golden models matches transformers on simd") { golden::check_all<llava::simd>(); }

TEST_CASE("R15: a prompt that is taken in chunks of 7 tokens matches transformers") {
  for (const char* name : {"siglip_mistral", "clip_llama3_new_names", "original_mpt"})
    golden::check<llava::pipeline<llava::any, llava::simd, llava::weights<llava::f32>>>(name, 7);
}

TEST_CASE("R15: prompts, ids and answers of original folders equal those of LLaVA's own program on simd") {
  golden::check_original_program<llava::pipeline<llava::any, llava::simd, llava::weights<llava::f32>>>();
}
