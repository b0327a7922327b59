// SPDX-License-Identifier: Apache-2.0
#include <llava/backend/eigen.hpp>

#include "golden.hpp"

TEST_CASE("R15: every stage of a model matches transformers on eigen") {
  golden::check<llava::pipeline<llava::any, llava::eigen, llava::weights<llava::f32>>>("siglip_mistral");
}
