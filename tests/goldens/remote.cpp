// SPDX-License-Identifier: Apache-2.0
#include "../backend/remote.hpp"
#include "golden.hpp"

TEST_CASE("R15: every stage of fourteen models is transformers', on a backend whose memory cannot be read") {
  golden::check_all<remote>();
}
