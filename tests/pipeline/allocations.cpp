// SPDX-License-Identifier: Apache-2.0
/// Counts every allocation of the program: a decode step makes none.
#include "tiny_model.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {
std::atomic<long> allocations{0};
}

// Not inlined: seeing malloc behind new, the compiler would warn of a free that it thinks mismatched.
__attribute__((noinline)) void* operator new(std::size_t n) {
  ++allocations;
  if (void* p = std::malloc(n)) return p;
  throw std::bad_alloc();
}
void* operator new[](std::size_t n) { return operator new(n); }
__attribute__((noinline)) void* operator new(std::size_t n, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(n);
}
void* operator new[](std::size_t n, const std::nothrow_t& t) noexcept { return operator new(n, t); }
__attribute__((noinline)) void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { operator delete(p); }
void operator delete(void* p, std::size_t) noexcept { operator delete(p); }
void operator delete[](void* p, std::size_t) noexcept { operator delete(p); }

TEST_CASE("decode: no allocation between one token and the next", "[pipeline]") {
  auto chat = tiny::model().session();
  chat.settings.ignore_eos = true;
  chat.settings.max_new_tokens = 60;
  std::vector<long> at;
  at.reserve(100);
  tiny::value(chat.try_ask(tiny::picture(1), "What is in the picture?",
                           [&](std::string_view) { at.push_back(allocations.load()); }));
  REQUIRE(at.size() >= 60);
  CHECK(at.front() > 0);
  // Not counted: the first tokens, whose text makes the decoder's buffers as large as they get.
  for (std::size_t i = 10; i < 60; ++i) CHECK(at[i] == at[i - 1]);
}
