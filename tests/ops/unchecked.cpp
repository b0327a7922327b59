// SPDX-License-Identifier: Apache-2.0
/// LLAVA_UNCHECKED: operands are not checked. Other errors of a queue are reported as before.
#undef LLAVA_COMPILED  // llava::compiled is compiled with the checks
#define LLAVA_UNCHECKED
#include <llava/backend/scalar.hpp>
#include <llava_catch.hpp>

using namespace llava;

static_assert(std::is_same_v<scalar, llava::abi_0_1_unchecked::scalar>,
              "llava: unchecked types have a namespace of their own");

TEST_CASE("LLAVA_UNCHECKED: operands are not checked, and results are unchanged", "[ops]") {
  ops::shapes wrong("op");
  wrong.expect({"x", {3, 4}}, {5, 6});
  wrong.require(false, "never");
  CHECK(wrong.fit());

  alignas(64) float memory[64] = {1, 2, 3, 4}, x[4] = {10, 20, 30, 40};
  serial_executor threads;
  scalar::queue queue(scalar(), threads, arena(reinterpret_cast<std::byte*>(memory + 32), 32 * sizeof(float)));
  const matrix_view<float> y(memory, dynamic_shape<2>(2, 2));
  add(queue, y, matrix_view<const float>(x, dynamic_shape<2>(2, 2)));
  CHECK(queue.finish());
  CHECK(std::vector<float>(memory, memory + 4) == std::vector<float>{11, 22, 33, 44});

  const std::int32_t ids[] = {0, 2};
  gather_rows(queue, y, matrix_view<const float>(x, dynamic_shape<2>(2, 2)), {ids, dynamic_shape<1>(2)});
  CHECK_FALSE(queue.finish());  // row 2 does not exist
  queue.workspace().allocate<float>(33);
  add(queue, y, y);
  CHECK_FALSE(queue.finish());  // the arena is full
  CHECK(memory[0] == 11);
}
