// SPDX-License-Identifier: Apache-2.0
#include <llava/base/hook.hpp>
#include <llava_catch.hpp>

#include <functional>
#include <memory>
#include <stop_token>
#include <utility>

using llava::hook, llava::stop_signal;

TEST_CASE("a hook calls the function object that it holds; a copy has its own", "[base]") {
  CHECK_FALSE(hook<void()>());
  int sum = 0;
  hook<void(int)> add = [&sum](int n) { sum += n; };
  add(3), add(4);
  CHECK(sum == 7);

  hook<int()> next = [n = 0]() mutable { return ++n; };
  CHECK(next() == 1);
  hook<int()> copy = next;
  CHECK((next() == 2 && next() == 3 && copy() == 2));
  copy = next;
  CHECK((copy() == 4 && next() == 4));
  const hook<int()> taken = std::move(next);
  CHECK((taken() == 5 && !next));  // NOLINT: a moved-from hook is empty
  copy = {};
  CHECK_FALSE(copy);
  CHECK_FALSE(hook<int()>(nullptr));
  CHECK_FALSE(hook<int()>(static_cast<int (*)()>(nullptr)));
  CHECK_FALSE(hook<int()>(std::function<int()>()));
  CHECK(hook<int()>(std::function<int()>([] { return 3; }))() == 3);
}

TEST_CASE("a stop signal forwards to its token", "[base]") {
  CHECK_FALSE(stop_signal().stop_requested());
  std::stop_source source;
  const stop_signal signal = source.get_token(), same = signal;
  CHECK_FALSE(signal.stop_requested());
  source.request_stop();
  CHECK((signal.stop_requested() && same.stop_requested()));

  struct flag {
    std::shared_ptr<bool> up;
    bool stop_requested() const noexcept { return *up; }
  };
  const auto up = std::make_shared<bool>(false);
  const stop_signal own = flag{up};
  CHECK_FALSE(own.stop_requested());
  *up = true;
  CHECK(own.stop_requested());
}
