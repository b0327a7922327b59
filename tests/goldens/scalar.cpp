// SPDX-License-Identifier: Apache-2.0
#include "golden.hpp"

TEST_CASE("R15: every stage of all golden models matches transformers on scalar") {
  golden::check_all<llava::scalar>();
}
