// SPDX-License-Identifier: Apache-2.0
#include <llava/base/error.hpp>
#include <llava_catch.hpp>

#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

using namespace llava;

TEST_CASE("a system error is reported with its reason", "[base]") {
  const error absent = fail_of_system(ENOENT, "llava: cannot open ", "x");
  CHECK(absent.sentence() == "llava: cannot open x: No such file or directory");
  CHECK(absent.code() == errc::not_found);
  CHECK(fail_of_system(EACCES, "llava: cannot open ", 7).sentence() == "llava: cannot open 7: Permission denied");
  CHECK(fail_of_system(EACCES, "").code() == errc::io);
  CHECK(fail_of_system(ENOSPC, "").code() == errc::io);
  CHECK(fail_of_system(ENOMEM, "").code() == errc::out_of_memory);
}

TEST_CASE("an error sentence is complete, and steers no terminal, whatever a file puts into it", "[base]") {
  const error e = fail(errc::mismatch, std::string("llava: x\0y\x1b[2J\r\x7f is no file\n  or more", 37));
  CHECK(e.what() == std::string("llava: x?y?[2J?? is no file\n  or more"));
  CHECK(e.sentence() == e.what());
}

namespace {
/// Counts its live instances. Can be moved; can be copied only if Copies.
template <bool Copies>
struct counted {
  static inline int alive = 0;
  int number;
  explicit counted(int n) : number(n) { ++alive; }
  counted(counted&& other) noexcept : number(std::exchange(other.number, -1)) { ++alive; }
  counted(const counted& other) requires Copies : number(other.number) { ++alive; }
  ~counted() { --alive; }
};
}  // namespace

TEST_CASE("a result can be moved, copied and replaced", "[base]") {
  using moved = counted<false>;
  using copied = counted<true>;
  static_assert(!std::is_copy_constructible_v<result<moved>> && std::is_copy_constructible_v<result<copied>>);
  static_assert(std::is_nothrow_move_constructible_v<result<moved>>);
  {
    result<moved> a = moved(7), b = fail(errc::io, "llava: no");
    CHECK((a && !b && a->number == 7 && b.error().code() == errc::io));
    result<moved> c = std::move(a);
    CHECK(c->number == 7);
    c = std::move(b);
    CHECK((!c && c.error().sentence() == "llava: no"));
    c = moved(8);
    CHECK((c.has_value() && (*c).number == 8));
    auto& same = c;
    c = std::move(same);
    CHECK(c->number == 8);
    CHECK((*std::move(c)).number == 8);
  }
  CHECK(moved::alive == 0);
  {
    result<copied> a = copied(1), b = a, c = fail(errc::busy, "llava: busy"), d = c;
    CHECK((a->number == 1 && b->number == 1 && d.error().code() == errc::busy));
    b = c, d = a;
    CHECK((!b && d->number == 1 && a->number == 1 && c.error().sentence() == "llava: busy"));
#if LLAVA_EXCEPTIONS
    CHECK(d.value().number == 1);
    CHECK_THROWS_AS(b.value(), error);
#endif
  }
  CHECK(copied::alive == 0);
}

TEST_CASE("text_of writes integers of every size", "[base]") {
  CHECK(text_of(0, ' ', -1, ' ', 10u, ' ', std::int8_t{-128}) == "0 -1 10 -128");
  CHECK(text_of((std::numeric_limits<std::int64_t>::min)(), ' ', (std::numeric_limits<std::uint64_t>::max)()) ==
        "-9223372036854775808 18446744073709551615");
}
