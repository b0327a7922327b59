// SPDX-License-Identifier: Apache-2.0
#include <llava/backend/scalar.hpp>
#include <llava/llm/kv_cache.hpp>
#include <llava_catch.hpp>

#include <set>

namespace {
/// Reserves slots and marks them as computed.
void grow(llava::kv_sequence& s, int tokens) {
  REQUIRE(s.try_reserve(tokens));
  s.set_tokens(tokens);
}
}  // namespace

TEST_CASE("kv_sequence: slots are distinct and follow the sequence's blocks", "[llm]") {
  const auto pool = std::make_shared<llava::block_allocator>(4, 16);
  llava::kv_sequence s(pool);
  grow(s, 40);
  std::set<int> slots;
  for (int p = 0; p < 40; ++p) slots.insert(s.slot(p));
  CHECK(slots.size() == 40);
  CHECK(pool->available() == 1);
  CHECK(s.slot(17) == s.blocks()[1] * llava::kv_block + 1);
}

TEST_CASE("R12: a full cache returns an error and changes nothing", "[llm]") {
  const auto pool = std::make_shared<llava::block_allocator>(3, 16);
  llava::kv_sequence a(pool), b(pool);
  grow(a, 32);
  const auto refused = b.try_reserve(17);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == llava::errc::context_full);
  CHECK(refused.error().sentence().find("48 tokens") != std::string::npos);
  CHECK(pool->available() == 1);
  CHECK(b.blocks().empty());
  CHECK(b.try_reserve(16));
}

TEST_CASE("kv_sequence: its destructor releases its blocks", "[llm]") {
  const auto pool = std::make_shared<llava::block_allocator>(3, 16);
  {
    llava::kv_sequence s(pool);
    grow(s, 48);
    CHECK(pool->available() == 0);
    llava::kv_sequence moved(std::move(s));
    CHECK(moved.tokens() == 48);
  }
  CHECK(pool->available() == 3);
}

TEST_CASE("kv_sequence: a fork shares full blocks and never writes to them", "[llm]") {
  const auto pool = std::make_shared<llava::block_allocator>(6, 16);
  llava::kv_sequence a(pool);
  grow(a, 37);
  llava::kv_sequence b = a.fork();
  CHECK(b.tokens() == 32);  // the block of tokens 32 … 36 is computed again
  CHECK(b.blocks()[0] == a.blocks()[0]);
  grow(b, 40);
  CHECK(b.blocks()[2] != a.blocks()[2]);

  SECTION("truncating inside a shared block releases the whole block") {
    b.truncate(20);
    CHECK(b.tokens() == 16);
    REQUIRE(b.try_reserve(20));
    CHECK(b.blocks()[1] != a.blocks()[1]);
  }
  SECTION("truncating inside a block of its own keeps the block's beginning") {
    b.truncate(35);
    CHECK(b.tokens() == 35);
    CHECK(b.blocks().size() == 3);
  }
  SECTION("shared blocks live as long as one of the sequences") {
    a.truncate(0);
    CHECK(pool->available() == 3);
    b.truncate(0);
    CHECK(pool->available() == 6);
  }
}

TEST_CASE("kv_cache: layers do not overlap", "[llm]") {
  llava::text_config c;
  c.layers = 3, c.kv_heads = 2, c.head_dim = 4;
  const auto cache = llava::kv_cache<llava::block_kv_layout<llava::f16>>::try_make(c, 5, llava::host_memory());
  REQUIRE(cache);
  const std::ptrdiff_t half = 2 * 4 * 16 * 5;
  CHECK(cache->layer(0).values - cache->layer(0).keys == half);
  CHECK(cache->layer(1).keys - cache->layer(0).keys == 2 * half);
  CHECK(cache->bytes() == static_cast<std::size_t>(3 * 2 * half) * 2);
}
