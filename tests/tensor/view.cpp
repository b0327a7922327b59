// SPDX-License-Identifier: Apache-2.0
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include <llava/tensor/arena.hpp>
#include <llava/tensor/buffer.hpp>
#include <llava/tensor/view.hpp>
#include <llava_catch.hpp>

using namespace llava;

static_assert(sizeof(shape<dyn, dyn>) == 2 * sizeof(std::ptrdiff_t), "llava: dynamic extents are stored");
static_assert(sizeof(shape<576, dyn>) == sizeof(std::ptrdiff_t), "llava: static extents are not");
static_assert(std::is_empty_v<shape<576, 1024>>, "llava: a static shape takes no space");
static_assert(shape<576, dyn>(1024).size() == 576 * 1024, "llava: shapes work in constant expressions");
static_assert(shape<576, dyn>(1024)[1] == 1024 && shape<576, dyn>(1024)[0] == 576, "llava: extents in order");
static_assert(shape<2, 3>{}.agrees(shape<dyn, 3>(2)) && !shape<2, 3>{}.agrees(shape<dyn, 3>(4)),
              "llava: shapes compare by extents");

TEST_CASE("view: row-major, with a row stride; static shapes convert to dynamic ones", "[tensor]") {
  int values[24];
  for (int i = 0; i < 24; ++i) values[i] = i;
  const view<int, shape<4, 6>> fixed_view(values, {});
  const matrix_view<const int> m = fixed_view;
  CHECK(m(2, 3) == 15);
  CHECK(m.contiguous());
  const matrix_view<const int> columns(values + 2, dynamic_shape<2>(4, 3), 6);  // columns 2 … 4
  CHECK(columns(3, 1) == 21);
  CHECK_FALSE(columns.contiguous());
  CHECK(rows_of(columns, 1, 2)(0, 0) == 8);
  const view<int, shape<2, 3, dyn>> cube(values, shape<2, 3, dyn>(4));
  CHECK(cube(1, 2, 3) == 23);
  CHECK(vector_view<const int>{}.empty());
}

TEST_CASE("arena: planning finds the peak, scopes release memory, addresses are aligned", "[tensor]") {
  const auto use = [](arena& a) {
    arena_scope outer(a);
    a.allocate<float>(10);
    {
      arena_scope inner(a);
      a.allocate<double>(100);
    }
    a.allocate<char>(1);
  };
  arena planning;
  use(planning);
  CHECK(planning.planning());
  CHECK(planning.peak() == 64 + 832);
  CHECK(planning.used() == 0);

  const auto memory = host_memory().try_allocate(planning.peak(), "test");
  REQUIRE(memory);
  arena real(memory->data(), memory->size());
  use(real);
  CHECK(real.peak() == planning.peak());
  CHECK(reinterpret_cast<std::uintptr_t>(real.allocate<float>(3)) % 64 == 0);
}

TEST_CASE("buffer: a large one has untouched pages, even if an earlier one was filled and freed", "[tensor]") {
  constexpr std::size_t bytes = std::size_t{8} << 20;
  const auto make = [] { return *host_memory().try_allocate(bytes, "test"); };
  make();  // from the second on, malloc takes large blocks from its heap
  {
    const buffer filled = make();
    std::fill_n(filled.data(), bytes, std::byte{1});
  }
  const buffer again = make();
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> resident(bytes / page + 1);
  std::byte* const first = again.data() - reinterpret_cast<std::uintptr_t>(again.data()) % page;
  REQUIRE(::mincore(first, bytes, resident.data()) == 0);
  CHECK(std::count_if(resident.begin(), resident.end(), [](unsigned char p) { return (p & 1) != 0; }) <= 1);
  CHECK(std::all_of(again.data(), again.data() + bytes, [](std::byte b) { return b == std::byte{0}; }));
}

TEST_CASE("R12: memory that cannot be allocated is an error that names its purpose", "[tensor]") {
  const auto refused = host_memory().try_allocate(SIZE_MAX - 10, "activations");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == errc::out_of_memory);
  CHECK(refused.error().sentence().find("activations") != std::string::npos);
}
