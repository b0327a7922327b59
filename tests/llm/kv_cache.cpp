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

TEST_CASE("kv_sequence: truncating keeps the beginning of a block", "[llm]") {
  const auto pool = std::make_shared<llava::block_allocator>(6, 16);
  llava::kv_sequence s(pool);
  grow(s, 37);
  s.truncate(35);
  CHECK(s.tokens() == 35);
  CHECK(s.blocks().size() == 3);
  s.truncate(16);
  CHECK(s.blocks().size() == 1);
  CHECK(pool->available() == 5);
}

namespace {
llava::kv_key key(int i) { return llava::sha256().update_value(i).digest(); }
}  // namespace

TEST_CASE("block_allocator: a named block is found by all who hold it, and after them until it is needed", "[llm]") {
  llava::block_allocator pool(3, 16);
  const int a = pool.allocate();
  pool.name(a, 16, key(1));
  CHECK(pool.find(key(2)) == -1);
  CHECK(pool.find(key(1)) == a);  // two hold it
  CHECK(pool.available() == 2);
  pool.drop(a);
  CHECK(pool.available() == 2);
  pool.drop(a);
  CHECK(pool.available() == 3);
  CHECK(pool.find(key(1)) == a);
  pool.drop(a);
  // Blocks without a name are allocated first.
  const int b = pool.allocate(), c = pool.allocate();
  CHECK(pool.find(key(1)) == a);
  CHECK(pool.allocate() == -1);
  pool.drop(a);
  CHECK(pool.allocate() == a);
  CHECK(pool.find(key(1)) == -1);
  pool.drop(a), pool.drop(b), pool.drop(c);
  CHECK(pool.available() == 3);
}

TEST_CASE("block_allocator: the block that was held least recently is allocated first", "[llm]") {
  llava::block_allocator pool(4, 16);
  int blocks[4];
  for (int i = 0; i < 4; ++i) pool.name(blocks[i] = pool.allocate(), 16, key(i));
  for (const int i : {2, 0, 3, 1}) pool.drop(blocks[i]);
  CHECK(pool.find(key(0)) == blocks[0]);
  pool.drop(blocks[0]);
  for (const int i : {2, 3, 1, 0}) {
    CHECK(pool.allocate() == blocks[i]);
    CHECK(pool.find(key(i)) == -1);
  }
  CHECK(pool.allocate() == -1);
}

TEST_CASE("block_allocator: a block that is not full is taken over by one, with the tokens that match", "[llm]") {
  llava::block_allocator pool(2, 16);
  const int a = pool.allocate();
  for (int n = 1; n <= 5; ++n) pool.name(a, n, key(n));
  CHECK(pool.take(key(3), 3) == -1);  // is held
  CHECK(pool.find(key(3)) == -1);     // is not full
  pool.drop(a);
  CHECK(pool.take(key(3), 4) == -1);
  CHECK(pool.take(key(3), 3) == a);
  pool.drop(a);
  CHECK(pool.take(key(3), 3) == -1);  // its holder may have written it
  CHECK(pool.take(key(1), 1) == -1);
  CHECK(pool.available() == 2);
}

TEST_CASE("block_allocator: names keep their first block, and are all forgotten", "[llm]") {
  llava::block_allocator pool(40, 16);
  std::vector<int> blocks;
  for (int i = 0; i < 40; ++i) blocks.push_back(pool.allocate());
  for (int i = 0; i < 40; ++i) pool.name(blocks[static_cast<std::size_t>(i)], 16, key(i / 2));
  for (int i = 0; i < 20; ++i) CHECK(pool.find(key(i)) == blocks[static_cast<std::size_t>(2 * i)]);
  for (int i = 0; i < 40; ++i) {
    pool.drop(blocks[static_cast<std::size_t>(i)]);
    if (i % 2 == 0) pool.drop(blocks[static_cast<std::size_t>(i)]);
  }
  CHECK(pool.available() == 40);
  pool.forget();
  CHECK(pool.available() == 40);
  for (int i = 0; i < 20; ++i) CHECK(pool.find(key(i)) == -1);
  std::set<int> all;
  for (int i = 0; i < 40; ++i) all.insert(pool.allocate());
  CHECK(all.size() == 40);
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
