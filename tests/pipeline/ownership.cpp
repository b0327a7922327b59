// SPDX-License-Identifier: Apache-2.0
/// Owning objects may be moved into others of their type, in any order, while models come and go. AddressSanitizer must
/// find no use after free, and what the target held must be released at once.
#include <llava/checkpoint/safetensors_writer.hpp>
#include <llava/tensor/mapped_file.hpp>
#include <temporary_folder.hpp>

#include "tiny_model.hpp"

using namespace tiny;

namespace {

model_type another() {
  llava::open_options o = options();
  o.kv_tokens = 1024;
  return open(o);
}
/// A session that has asked.
auto asked(const model_type& m) {
  auto s = m.session();
  s.settings.max_new_tokens = 2;
  value(s.try_ask("hello"));
  return s;
}
int free_blocks(const model_type& m) { return m.state().blocks->available(); }

}  // namespace

TEST_CASE("a session can be assigned from another, whose model object no longer exists", "[pipeline]") {
  auto s = asked(another());
  s = asked(another());
  value(s.try_ask("again"));
  s = another().session();
  value(s.try_ask("hello"));
  const model_type kept = another();
  const int all = free_blocks(kept);
  s = asked(kept);
  CHECK(free_blocks(kept) == all);  // nothing is held between answers
  auto t = asked(kept);
  auto u = std::move(t);
  t = std::move(u);
  auto& same = t;  // hides the self-move from the compiler
  t = std::move(same);
  value(t.try_ask("again"));
  std::swap(s, t);
  value(s.try_ask("again"));
  value(t.try_ask("hello"));
}

TEST_CASE("forks outlive their session and their model", "[pipeline]") {
  auto fork = [] {
    auto s = asked(another());
    return s.fork();
  }();
  value(fork.try_ask("again"));
  fork = asked(another()).fork();
  value(fork.try_ask("again"));
}

TEST_CASE("a batch can be assigned from another, whose rows continue", "[pipeline]") {
  const auto begun = [](const model_type& m) {
    auto b = m.batch();
    llava::generation_settings four;
    four.max_new_tokens = 4;
    REQUIRE(b.try_add("hello there", {}, four));
    REQUIRE(b.try_step());
    return b;
  };
  const model_type kept = another();
  const int all = free_blocks(kept);
  auto b = begun(kept);
  CHECK(free_blocks(kept) < all);
  b = begun(another());
  CHECK(free_blocks(kept) == all);  // released at once
  b = begun(model());
  auto c = std::move(b);
  b = begun(another());
  std::swap(b, c);
  for (auto* each : {&b, &c}) {
    const auto answers = each->try_run();
    REQUIRE(answers);
    REQUIRE(answers->size() == 1);
    CHECK((*answers)[0]);
  }
}

TEST_CASE("erased models and sessions, and results that hold them, can be assigned too", "[pipeline]") {
  llava::result<llava::chat_model> m = llava::erase(another());
  llava::chat_session s = m->session();
  m = llava::erase(another());
  REQUIRE(s.try_ask("hello"));
  s = m->session();
  m = llava::fail(llava::errc::io, "llava: none");
  REQUIRE(s.try_ask("hello"));
  s = s.fork();
  REQUIRE(s.try_ask("again"));
  model_type model_of_session = another();
  auto plain = model_of_session.session();
  model_of_session = another();
  value(plain.try_ask("hello"));
}

TEST_CASE("owners of memory and files release what they hold when they are assigned", "[tensor]") {
  temporary_folder f("owners");
  f.write("a", "aaaa"), f.write("b", "bb");
  auto a = *llava::mapped_file::try_open(f / "a"), b = *llava::mapped_file::try_open(f / "b");
  a = std::move(b);
  CHECK(a.bytes().size() == 2);
  CHECK(b.bytes().empty());
  auto& same = a;
  a = std::move(same);
  CHECK(a.bytes().size() == 2);

  auto x = *llava::host_memory().try_allocate(100, "x");
  auto y = *llava::host_memory().try_allocate(std::size_t{2} << 20, "y");
  x = std::move(y);
  CHECK(x.size() == std::size_t{2} << 20);
  CHECK(y.size() == 0);

  const std::vector<llava::safetensors_plan> none;
  auto first = *llava::safetensors_writer::try_create(f / "first", none);
  first = *llava::safetensors_writer::try_create(f / "second", none);
  REQUIRE(first.try_finish());

  llava::image p(3, 2), q(5, 4);
  p = std::move(q);
  CHECK(p.width() == 5);
  CHECK(q.empty());
}
