// SPDX-License-Identifier: Apache-2.0
/// Invalid options are errors when a model is opened. The concurrency of a host's executor may change later.
#include <climits>
#include <memory>

#include "tiny_model.hpp"

using namespace tiny;

namespace {
struct host_executor final : llava::executor {
  int said;
  explicit host_executor(int n) : said(n) {}
  int concurrency() const override { return said; }
  void parallel_for(int pieces, llava::function_ref<void(int)> piece) override {
    for (int i = pieces; i-- > 0;) piece(i);
  }
};
}  // namespace

TEST_CASE("open_options: a number out of range is an error that names the option and its range", "[pipeline]") {
  const auto refused = [](auto change, std::string_view words) {
    llava::open_options o = options();
    change(o);
    const auto opened = model_type::try_open(folder, o);
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code() == llava::errc::invalid_argument);
    INFO(opened.error().sentence());
    CHECK(opened.error().sentence().find(words) != std::string::npos);
  };
  for (const int n : {-1, 1025, INT_MAX, INT_MIN}) refused([&](auto& o) { o.threads = n; }, "expected 0 to 1024");
  for (const int n : {0, -1, INT_MAX}) refused([&](auto& o) { o.max_batch_tokens = n; }, "llava: max_batch_tokens");
  for (const int n : {0, -7, INT_MAX}) refused([&](auto& o) { o.max_sequences = n; }, "llava: max_sequences");
  for (const int n : {-1, INT_MAX}) refused([&](auto& o) { o.kv_tokens = n; }, "llava: kv_tokens");
  for (const int n : {-2, INT_MAX}) refused([&](auto& o) { o.device = n; }, "llava: device is");
  refused([&](auto& o) { o.device = 0; }, "llava: device is 0, but the backend simd has no devices");
  for (const int n : {0, -3})
    refused([&](auto& o) { o.threads_of_host = std::make_shared<host_executor>(n); }, "expected 1 or more");
}

TEST_CASE("a backend is a value: its instruction set is chosen when a model is opened, and must be supported",
          "[pipeline]") {
  const auto plain = model_type::try_open(folder, options(), {.isa = llava::simd_isa::generic});
  REQUIRE(plain);
  CHECK(plain->state().backend.isa == llava::simd_isa::generic);
  CHECK(tiny::value(plain->session().try_ask(test_image(1), "What color is the square?")).text ==
        tiny::value(model().session().try_ask(test_image(1), "What color is the square?")).text);

  const auto absent = llava::is_supported(llava::simd_isa::neon) ? llava::simd_isa::avx2 : llava::simd_isa::neon;
  const auto refused = model_type::try_open(folder, options(), {.isa = absent});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == llava::errc::unsupported);
  CHECK(refused.error().sentence().find("this machine has no ") != std::string::npos);
}

TEST_CASE("open_options: the progress callback may be empty", "[pipeline]") {
  llava::open_options o = options();
  o.report = nullptr;
  CHECK(model_type::try_open(folder, o));
}

TEST_CASE("a host's executor may grow and shrink after opening", "[pipeline]") {
  const auto host = std::make_shared<host_executor>(2);
  llava::open_options o = options();
  o.threads_of_host = host;
  const model_type m = open(o);
  const auto expected = value(model().session().try_ask(test_image(1), "What is in the picture?")).tokens;
  for (const int said : {2, 64, 1, 0, -5}) {
    host->said = said;
    CHECK(value(m.session().try_ask(test_image(1), "What is in the picture?")).tokens == expected);
  }
}
