// SPDX-License-Identifier: Apache-2.0
/// Custom projectors and ops, correct and faulty, in the bundled model. A fault is an error of opening, or of the
/// question if only a real run shows it. The next question is answered.
#include "tiny_model.hpp"

using llava::matrix_view, llava::vector_view, llava::rows_of;

namespace {

// [backend]
/// simd, except for the ops that are overloaded for its queue.
struct own : llava::simd {
  struct queue : llava::simd::queue {
    using llava::simd::queue::queue;
  };
};
// [backend]

// [op]
/// y[t] = the mean of rows 2t and 2t + 1 of x.                                                    x (2T, D) -> y (T, D)
void mean_of_two(own::queue& q, llava::matrix_view<float> y, llava::matrix_view<const float> x) {
  llava::ops::shapes s("mean_of_two");
  s.expect({"x", x}, {2 * y.extent(0), y.extent(1)}, llava::ops::operand{"y", y});
  s.writes(y);
  if (!q.accepts(s)) return;
  q.submit([&](llava::workers on) {
    on.split(y.extent(0), on.concurrency(), [&](std::ptrdiff_t first, std::ptrdiff_t last) {
      for (std::ptrdiff_t t = first; t < last; ++t)
        for (std::ptrdiff_t i = 0; i < y.extent(1); ++i) y(t, i) = 0.5f * (x(2 * t, i) + x(2 * t + 1, i));
    });
  });
}
// [op]

/// Number of norms before one fails because its `w` is one element too short.
int norms_until_failure = -1;
void rms_norm(own::queue& q, matrix_view<float> y, matrix_view<const float> x, vector_view<const float> w, float eps) {
  const bool fails = !q.workspace().planning() && norms_until_failure >= 0 && norms_until_failure-- == 0;
  const vector_view<const float> part(w.data(), llava::dynamic_shape<1>(w.extent(0) - (fails ? 1 : 0)));
  llava::simd_backend::rms_norm(q, y, x, part, eps);
}

using project = std::function<void(own::queue&, matrix_view<float>, matrix_view<const float>)>;
/// What the projector does; `mlp` is the projector of the bundled model.
struct behaviour {
  int rows = 49;
  std::function<void(own::queue&, matrix_view<float>, matrix_view<const float>, const project& mlp)> forward =
      [](auto& q, auto y, auto x, const project& mlp) { mlp(q, y, x); };
};
behaviour now;

struct changing_projector {
  [[maybe_unused]] static constexpr std::string_view name = "changing";
  template <class B, class F>
  class stage {
   public:
    explicit stage(const llava::projector_config& c) : inner_(c) {}
    template <class Visit>
    void each(Visit&& visit) {
      inner_.each(visit);
    }
    int rows(int) const { return now.rows; }
    template <class Q>
    void forward(Q& q, matrix_view<float> y, matrix_view<const float> x) const {
      now.forward(q, y, x, [&](auto&& queue, auto to, auto from) { inner_.forward(queue, to, from); });
    }

   private:
    llava::mlp_gelu::stage<B, F> inner_;
  };
};

struct changing : llava::any {
  using projector = changing_projector;
};
using model_type = llava::pipeline<changing, own, llava::weights<llava::f16>>;

/// The error of opening a model, or "".
std::string opening(behaviour b) {
  now = std::move(b);
  const auto opened = model_type::try_open(tiny::folder, tiny::options());
  now = {};
  return opened ? "" : opened.error().sentence();
}
template <class T>
std::string sentence(const llava::result<T>& r) {
  return r ? "" : r.error().sentence();
}

}  // namespace

// A queue gives threads only to an op that it has accepted and runs. No other code has them: in a planning run nothing
// is computed.
static_assert(!std::is_constructible_v<llava::workers, llava::executor&>, "llava: only a queue makes workers");

TEST_CASE("custom projector: an impossible number of rows is an error of opening", "[pipeline]") {
  CHECK(opening({}) == "");
  for (const int rows : {0, -1, 2049, 1 << 30})
    CHECK(opening({rows}) ==
          "llava: the projector makes " + std::to_string(rows) +
              " image tokens from 49 features, expected 1 to 2048, the model's context; correct its rows()");
  for (const int rows : {24, 98}) {
    const std::string expected = "llava: the projector: matmul: y is (" + std::to_string(rows) +
                                 ", 128), expected (49, 128), since x is (49, 128) and w is (128, 128)";
    CHECK(opening({rows}) == expected);
    // rows_of gives no rows beyond the last one.
    if (rows < 49)
      CHECK(opening({rows, [](auto& q, auto y, auto x, auto& mlp) { mlp(q, rows_of(y, 0, 49), x); }}) == expected);
  }
}

TEST_CASE("custom projector: image tokens that no op writes are an error of opening", "[pipeline]") {
  const auto unwritten = [](int rows, int first) {
    return "llava: the projector makes " + std::to_string(rows) +
           " image tokens, as its rows() says, but no op writes all of row " + std::to_string(first);
  };
  const auto columns = [](auto x, std::ptrdiff_t first, std::ptrdiff_t count) {
    return decltype(x)(x.data() + first, llava::dynamic_shape<2>(x.extent(0), count), x.stride());
  };
  CHECK(opening({49, [](auto&, auto, auto, auto&) {}}) == unwritten(49, 0));
  CHECK(opening({98, [](auto& q, auto y, auto x, auto& mlp) { mlp(q, rows_of(y, 0, 49), x); }}) == unwritten(98, 49));
  CHECK(opening({98, [](auto& q, auto y, auto x, auto& mlp) { mlp(q, rows_of(y, 49, 49), x); }}) == unwritten(98, 0));
  CHECK(opening({49, [&](auto& q, auto y, auto x, auto&) { copy(q, columns(y, 0, 100), columns(x, 0, 100)); }}) ==
        unwritten(49, 0));
  CHECK(opening({49, [](auto& q, auto y, auto x, auto&) { add(q, y, x); }}) == unwritten(49, 0));  // y is undefined
  CHECK(opening({98, [](auto& q, auto y, auto x, auto& mlp) {
                   mlp(q, rows_of(y, 49, 49), x);
                   copy(q, rows_of(y, 0, 49), x);
                 }}) == "");
  CHECK(opening({49, [&](auto& q, auto y, auto x, auto&) {
                   copy(q, columns(y, 64, 64), columns(x, 0, 64));
                   copy(q, columns(y, 0, 64), columns(x, 64, 64));
                 }}) == "");
}

TEST_CASE("custom projector: operands and memory that do not fit are errors of opening", "[pipeline]") {
  CHECK(opening({98, [](auto& q, auto y, auto x, auto& mlp) {
                   mlp(q, y, matrix_view<const float>(x.data(), llava::dynamic_shape<2>(98, 64)));
                 }}) == "llava: the projector: matmul: x is (98, 64), expected (98, 128), since w is (128, 128)");
  CHECK(opening({24, [](auto& q, auto y, auto x, auto&) { mean_of_two(q, y, x); }}) ==
        "llava: the projector: mean_of_two: x is (49, 128), expected (48, 128), since y is (24, 128)");
  CHECK(opening({49, [](auto& q, auto, auto, auto&) { q.reject(llava::fail(llava::errc::unsupported, "no")); }}) ==
        "llava: the projector: no");
  CHECK(opening({49,
                 [](auto& q, auto y, auto x, auto& mlp) {
                   llava::allocate_matrix(q, -1, 128);
                   mlp(q, y, x);
                 }})
            .starts_with("llava: the projector: a step takes "));
}

TEST_CASE("custom op: plans, and computes on all threads", "[pipeline]") {
  now = {24, [](auto& q, auto y, auto x, auto&) { mean_of_two(q, y, rows_of(x, 0, 48)); }};
  const auto model = model_type::try_open(tiny::folder, tiny::options());
  REQUIRE(model);
  const auto features = model->try_features(tiny::test_image(1)), tokens = model->try_image_tokens(tiny::test_image(1));
  REQUIRE(features);
  REQUIRE(tokens);
  REQUIRE(tokens->size() == 24 * 128);
  for (std::size_t i = 0; i < tokens->size(); ++i) {
    const std::size_t at = i / 128 * 256 + i % 128;
    CHECK((*tokens)[i] == 0.5f * ((*features)[at] + (*features)[at + 128]));
  }
  auto chat = model->session();
  CHECK(tiny::value(chat.try_ask(tiny::test_image(1), "What is in the picture?")).prompt_tokens > 24);
  now = {};
}

TEST_CASE("custom projector: a fault that only a real run shows is an error of the question; the next one is answered",
          "[pipeline]") {
  const auto model = model_type::try_open(tiny::folder, tiny::options());
  REQUIRE(model);
  auto chat = model->session();
  const auto ask = [&](int img = 2) { return chat.try_ask(tiny::test_image(img), "What is in the picture?"); };
  const llava::answer expected = tiny::value(ask());
  chat.truncate(0);

  const behaviour wrong[] = {{49,
                              [](auto& q, auto y, auto x, auto& mlp) {
                                if (!q.workspace().planning()) llava::allocate_matrix(q, 100000, 128);
                                mlp(q, y, x);
                              }},
                             {49, [](auto& q, auto y, auto x, auto& mlp) { mlp(q, rows_of(y, 0, 48), x); }}};
  const std::string sentences[] = {
      "llava: a step takes ",
      "llava: matmul: y is (48, 128), expected (49, 128), since x is (49, 128) and w is (128, 128)"};
  for (std::size_t i = 0; i < 2; ++i) {
    now = wrong[i];
    CHECK(sentence(ask(3)).starts_with(sentences[i]));  // an image whose tokens are not cached
    CHECK(sentence(model->try_image_tokens(tiny::test_image(2))).starts_with(sentences[i]));
    CHECK(chat.save().turns.empty());
    now = {};
    CHECK(tiny::value(ask()).tokens == expected.tokens);
    chat.truncate(0);
  }
}

TEST_CASE("custom op: a step that fails is an error and leaves the conversation unchanged", "[pipeline]") {
  const auto model = model_type::try_open(tiny::folder, tiny::options());
  REQUIRE(model);
  const std::string failed = "llava: rms_norm: w is (127), expected (128), since x is (";
  auto chat = model->session();
  const llava::answer first = tiny::value(chat.try_ask(tiny::test_image(1), "What is in the picture?"));
  auto twin = chat.fork();
  const llava::answer second = tiny::value(twin.try_ask("How many shapes are there?"));

  int hooked = 0;
  chat.hooks.on_logits = [&](std::span<float>) { ++hooked; };
  for (const int norms : {0, 8, 9, 13}) {  // in the prompt's layers, before its head, while decoding
    norms_until_failure = norms;
    hooked = 0;
    CHECK(sentence(chat.try_ask("How many shapes are there?")).starts_with(failed));
    CHECK(norms_until_failure == -1);
    CHECK(hooked == norms / 9);  // a hook sees no logits that were not computed
    CHECK(chat.save().turns.size() == 2);
  }
  CHECK(tiny::value(chat.try_ask("How many shapes are there?")).tokens == second.tokens);

  auto questions = model->batch();
  const std::string prompt = *model->try_prompt(1, "What is in the picture?");
  const llava::image img = tiny::test_image(1);
  REQUIRE(questions.try_add(prompt, std::span(&img, 1)));
  norms_until_failure = 3;
  auto answers = questions.try_run();
  REQUIRE(answers);
  CHECK(sentence((*answers)[0]).starts_with(failed));
  REQUIRE(questions.try_add(prompt, std::span(&img, 1)));
  answers = questions.try_run();
  REQUIRE(answers);
  REQUIRE((*answers)[0]);
  CHECK((*answers)[0]->tokens == first.tokens);

  auto scored = model->session();
  norms_until_failure = 3;
  CHECK(sentence(scored.try_logits(prompt, std::span(&img, 1))).starts_with(failed));
  CHECK(scored.try_logits(prompt, std::span(&img, 1)));
}
