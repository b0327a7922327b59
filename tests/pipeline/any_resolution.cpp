// SPDX-License-Identifier: Apache-2.0
/// Any resolution through the pipeline, beyond the goldens: squares in a batch, memory, counts, projectors of a user,
/// quantised folders, fixed models.
#include <llava.hpp>
#include <llava/pipeline/quantise.hpp>
#include <temporary_folder.hpp>

#include <bit>

#include "../goldens/golden.hpp"

namespace {

const std::string next = golden::folder("next"), original = golden::folder("original_anyres");

template <class M = llava::any, class B = llava::simd>
using model_of = llava::pipeline<M, B, llava::weights<llava::f32>>;

llava::open_options options(int kv_tokens = 1024) {
  llava::open_options o;
  o.threads = 2;
  o.kv_tokens = kv_tokens;
  return o;
}
template <class Model = model_of<>>
Model open(const std::string& folder, const llava::open_options& o = options()) {
  auto opened = Model::try_open(folder, o);
  if (!opened) FAIL(opened.error().what());
  return *std::move(opened);
}
template <class Model = model_of<>>
std::string error_of_opening(const std::string& folder) {
  const auto opened = Model::try_open(folder, options());
  return opened ? "" : opened.error().sentence();
}
llava::image test_image(const std::string& name) { return golden::record("next").test_image(name); }

/// A copy of a golden with another config.json.
struct changed_folder : temporary_folder {
  changed_folder(const std::string& from, const std::string& name, const std::string& found, const std::string& instead)
      : temporary_folder(name) {
    copy(from);
    write("config.json", replaced(read("config.json"), found, instead));
  }
};

/// Makes nine image tokens of sixteen features: it adds the mean of all features of the square to each of the first
/// nine, so that a token depends on the whole square.
struct nine_of_sixteen {
  [[maybe_unused]] static constexpr std::string_view name = "nine";
  template <class B, class F>
  class stage {
   public:
    explicit stage(const llava::projector_config& c) : inner_(c) {}
    template <class Visit>
    void each(Visit&& visit) {
      inner_.each(visit);
    }
    int rows(int) const { return 9; }
    template <class Q>
    void forward(Q& q, llava::matrix_view<float> y, llava::matrix_view<const float> x) const {
      llava::arena_scope scope(q.workspace());
      const auto all = llava::allocate_matrix(q, x.extent(0), y.extent(1));
      inner_.forward(q, all, x);
      copy(q, y, llava::rows_of(llava::matrix_view<const float>(all), 0, 9));
      for (std::ptrdiff_t i = 0; i < 9; ++i)
        add(q, llava::rows_of(y, i, 1), llava::rows_of(llava::matrix_view<const float>(all), 15, 1));
    }

   private:
    llava::mlp_gelu::stage<B, F> inner_;
  };
};
template <int Rows>
struct some_of_sixteen : nine_of_sixteen {
  template <class B, class F>
  struct stage : nine_of_sixteen::stage<B, F> {
    using nine_of_sixteen::stage<B, F>::stage;
    int rows(int) const { return Rows; }
    template <class Q>
    void forward(Q& q, llava::matrix_view<float> y, llava::matrix_view<const float> x) const {
      const auto first = [&](std::ptrdiff_t n) { return llava::rows_of(y, 0, n); };
      nine_of_sixteen::stage<B, F>::forward(q, first(9), x);
      if (Rows > 9) copy(q, llava::rows_of(y, 9, Rows - 9), llava::matrix_view<const float>(first(Rows - 9)));
    }
  };
};
struct with_nine : llava::any {
  using projector = nine_of_sixteen;
};
struct with_ten : llava::any {
  using projector = some_of_sixteen<10>;
};

/// The golden "next" as a fixed model.
struct fixed_next {
  static constexpr auto vision = llava::with(llava::vision_config{}, [](llava::vision_config& c) {
    c.image = 28, c.patch = 7, c.hidden = 24, c.ffn = 48, c.layers = 3, c.heads = 2;
  });
  static constexpr auto text = llava::with(llava::text_config{}, [](llava::text_config& c) {
    c.vocab = 402, c.hidden = 48, c.ffn = 64, c.layers = 2, c.heads = 4, c.kv_heads = 2, c.head_dim = 12,
    c.context = 1024;
  });
  static constexpr llava::projector_config projection{24, 48, 2, true};
  static constexpr auto merge = llava::tile_merge::unpad;
  using tower = llava::clip_tower;
  using projector = llava::mlp_gelu;
  using decoder = llava::llama_decoder;
  using vision_activation = llava::quick_gelu;
  using text_activation = llava::silu;
  using conversation = llava::vicuna_v1;
};
struct fixed_flat : fixed_next {
  static constexpr auto merge = llava::tile_merge::flat;
};

template <class B>
void check_squares_in_a_batch() {
  const auto model = open<model_of<llava::any, B>>(next);
  const auto& state = model.state();
  std::vector<std::byte> memory(state.arena_bytes + 64);
  typename B::queue q(state.backend, *state.threads, llava::arena(memory.data(), memory.size()));
  const auto squares = *model.try_preprocess(test_image("wide"));
  REQUIRE(squares.size() == 5);
  const auto features = [&](std::ptrdiff_t first, std::ptrdiff_t n) {
    const llava::arena_scope scope(q.workspace());
    const auto all = llava::squares_of<B>(q, squares, state.opened.description.image, llava::image_plan());
    const auto rows = llava::try_features(q, state.stages, all, first, n, llava::never_stop);
    REQUIRE(rows);
    std::vector<float> values(static_cast<std::size_t>(rows->size()));
    download(q, std::span<float>(values), *rows);
    REQUIRE(q.finish());
    return values;
  };
  std::vector<float> alone, together;
  for (std::ptrdiff_t i = 0; i < 4; ++i) {
    const std::vector<float> one = features(i, 1);
    alone.insert(alone.end(), one.begin(), one.end());
  }
  together = features(0, 4);
  REQUIRE(together.size() == alone.size());
  CHECK(std::memcmp(together.data(), alone.data(), alone.size() * sizeof(float)) == 0);
}

}  // namespace

TEST_CASE("R14: the features of a square have the same bytes alone and in a batch", "[pipeline]") {
  check_squares_in_a_batch<llava::simd>();
  check_squares_in_a_batch<llava::scalar>();
}

TEST_CASE("any resolution: the number of image tokens is known from the size", "[pipeline]") {
  const auto model = open(next);
  CHECK(*model.try_count_image_tokens(56, 56) == 16 + 8 * 9);
  CHECK(*model.try_count_image_tokens(28, 28) == 16 + 4 * 5);
  CHECK(*llava::erase(model.shared()).try_count_image_tokens(56, 56) == 88);
  CHECK_FALSE(model.try_count_image_tokens(0, 5));
  CHECK_FALSE(model.try_count_image_tokens(70000, 5));
  const auto text = open(golden::folder("text_llama"));
  CHECK(text.try_count_image_tokens(5, 5).error().sentence() ==
        "llava: this model has no vision tower; it answers text only");

  auto chat = model.session();
  const llava::image img = test_image("wide");
  const auto told = *model.try_count_image_tokens(img.width(), img.height());
  const auto with = chat.try_ask(img, "What?");
  auto other = model.session();
  const auto without = other.try_ask("What?");
  REQUIRE((with && without));
  CHECK(with->prompt_tokens > told);
  // A prompt that is too long is refused before an image is encoded.
  auto small = open(next, options(64)).session();
  const auto refused = small.try_ask(img, "What?");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == llava::errc::context_full);
  CHECK(refused.error().sentence() ==
        "llava: the images have " + std::to_string(told) + " image tokens, expected at most the context of 64");
}

TEST_CASE("any resolution: a map that is shrunk has weighted sums of the squares' image tokens", "[pipeline]") {
  const std::string anyres = "\"image_aspect_ratio\": \"anyres\"", merge = "\"mm_patch_merge_type\": \"spatial_unpad\"";
  const changed_folder shrunk_folder(original, "llava-v1.6-shrunk", anyres, "\"image_aspect_ratio\": \"anyres_max_2\"");
  const changed_folder flat_folder(original, "llava-v1.6-flat", merge, "\"mm_patch_merge_type\": \"flat\"");
  const auto shrunk = open(shrunk_folder.path.string()), flat = open(flat_folder.path.string());
  const llava::image img = test_image("wide");
  const auto plan = llava::try_plan_image(shrunk.description().image, 16, img.width(), img.height());
  REQUIRE(plan);
  REQUIRE(plan->weights.size() == 4 * static_cast<std::size_t>(plan->tokens));
  CHECK(plan->tokens < *open(original).try_count_image_tokens(img.width(), img.height()));
  std::vector<float> rows = *flat.try_image_tokens(img);
  const auto newline = *shrunk.state().opened.tensors.find("image_newline");
  REQUIRE(newline.type == llava::dtype::bfloat16);
  for (std::size_t i = 0; i < 48; ++i) {
    const std::uint32_t bits = (std::to_integer<std::uint32_t>(newline.bytes[2 * i]) << 16) |
                               (std::to_integer<std::uint32_t>(newline.bytes[2 * i + 1]) << 24);
    rows.push_back(std::bit_cast<float>(bits));
  }
  std::vector<float> expected;
  for (std::size_t t = 0; t < static_cast<std::size_t>(plan->tokens); ++t)
    for (std::size_t i = 0; i < 48; ++i) {
      double sum = 0;
      for (std::size_t k = 4 * t; k < 4 * t + 4; ++k)
        if (plan->token_rows[k] >= 0)
          sum += static_cast<double>(plan->weights[k]) *
                 static_cast<double>(rows[static_cast<std::size_t>(plan->token_rows[k]) * 48 + i]);
      expected.push_back(static_cast<float>(sum));
    }
  const auto tokens = shrunk.try_image_tokens(img);
  REQUIRE(tokens);
  REQUIRE(tokens->size() == expected.size());
  CHECK(largest_error(*tokens, expected) <= 1e-6);
  auto chat = shrunk.session();
  CHECK(chat.try_ask(img, "What?"));
}

TEST_CASE("any resolution: LLaVA-NeXT's pooled map has the largest of the squares' image tokens", "[pipeline]") {
  const std::string merge = "\"mm_patch_merge_type\": \"spatial_unpad\"";
  const changed_folder pooled_folder(original, "llava-v1.6-pooled", merge,
                                     "\"mm_patch_merge_type\": \"spatial_maxpool2x2\"");
  const changed_folder flat_folder(original, "llava-v1.6-flat", merge, "\"mm_patch_merge_type\": \"flat\"");
  const auto pooled = open(pooled_folder.path.string()), flat = open(flat_folder.path.string());
  const llava::image img = test_image("wide");
  const auto plan = llava::try_plan_image(pooled.description().image, 16, img.width(), img.height());
  REQUIRE(plan);
  REQUIRE(plan->token_rows.size() == 4 * static_cast<std::size_t>(plan->tokens));
  const std::vector<float> rows = *flat.try_image_tokens(img);
  std::vector<float> expected;
  for (std::size_t t = 0; t < static_cast<std::size_t>(plan->tokens); ++t)
    for (std::size_t i = 0; i < 48; ++i) {
      float largest = -std::numeric_limits<float>::infinity();
      for (std::size_t k = 4 * t; k < 4 * t + 4; ++k)
        if (plan->token_rows[k] >= 0)
          largest = std::max(largest, rows[static_cast<std::size_t>(plan->token_rows[k]) * 48 + i]);
      expected.push_back(largest);
    }
  const auto tokens = pooled.try_image_tokens(img);
  REQUIRE(tokens);
  CHECK(*tokens == expected);
  auto chat = pooled.session();
  CHECK(chat.try_ask(img, "What?"));
}

TEST_CASE("any resolution: LLaVA-NeXT's padded canvas is cut into tiles, beside the whole image", "[pipeline]") {
  const changed_folder folder(original, "llava-v1.6-highres",
                              "\"anyres\",\n \"mm_patch_merge_type\": \"spatial_unpad\",\n \"image_grid_pinpoints\": "
                              "\"[(28, 56), (56, 28), (56, 56), (84, 28), (28, 84)]\"",
                              "\"highres\", \"mm_patch_merge_type\": \"spatial_unpad\", \"image_grid_pinpoints\": "
                              "\"28,56\"");
  const auto model = open(folder.path.string());
  const llava::image img = test_image("wide");
  const auto plan = llava::try_plan_image(model.description().image, 16, img.width(), img.height());
  REQUIRE(plan);
  CHECK(plan->squares() == 5);
  CHECK(plan->tokens < 16 + 8 * 9);  // the padding is left out
  CHECK(model.try_image_tokens(img)->size() == 48 * static_cast<std::size_t>(plan->tokens));
  auto chat = model.session();
  CHECK(chat.try_ask(img, "What?"));
}

TEST_CASE("any resolution: the memory of a step does not grow with the number of tiles", "[pipeline]") {
  const changed_folder folder(original, "llava-v1.6-large", "[(28, 56), (56, 28), (56, 56), (84, 28), (28, 84)]",
                              "(1x1),...,(8x8)");
  const auto small = open(original), large = open(folder.path.string());
  CHECK(*large.try_count_image_tokens(224, 224) == 16 + 32 * 33);
  CHECK(small.state().arena_bytes == large.state().arena_bytes);
  CHECK(large.try_image_tokens(test_image("wide")));
}

TEST_CASE("any resolution: a projector sees one square, and its rows are the tiles' grid", "[pipeline]") {
  const auto model = open<model_of<with_nine>>(next);
  const auto usual = open(next);
  const llava::image img = test_image("wide");  // of four tiles: the map has 6 rows of 6
  const auto plan = llava::try_plan_image(model.description().image, 9, img.width(), img.height());
  REQUIRE(plan);
  const auto tokens = model.try_image_tokens(img);
  REQUIRE(tokens);
  REQUIRE(tokens->size() == static_cast<std::size_t>(plan->tokens) * 48);
  const auto square = usual.try_image_tokens(img);
  REQUIRE(square);
  for (std::size_t i = 0; i < 9 * 48; ++i)  // the whole image's tokens come first in both
    CHECK((*tokens)[i] == (*square)[i] + (*square)[15 * 48 + i % 48]);
  CHECK(error_of_opening<model_of<with_ten>>(next).find("are 10, which is no square grid") != std::string::npos);
}

TEST_CASE("any resolution: a folder that is written in another format has the newline", "[pipeline]") {
  using policy = llava::weights<llava::bf16>;  // the widths are no multiples of 32
  temporary_folder folder("llava-v1.6-bf16");
  const std::string to = folder / "model";
  const auto written = llava::try_quantise<llava::any, llava::simd, policy>(next, to);
  if (!written) FAIL(written.error().what());
  const auto small = llava::pipeline<llava::any, llava::simd, policy>::try_open(to, options());
  if (!small) FAIL(small.error().what());
  CHECK(cosine(*small->try_image_tokens(test_image("tall")), *open(next).try_image_tokens(test_image("tall"))) >=
        0.999);
}

TEST_CASE("any resolution: a fixed model states its merge", "[pipeline]") {
  CHECK(*open<model_of<fixed_next>>(next).try_image_tokens(test_image("wide")) ==
        *open(next).try_image_tokens(test_image("wide")));
  CHECK(error_of_opening<model_of<fixed_flat>>(next).find("merge: the model has flat, the folder has spatial_unpad") !=
        std::string::npos);
  CHECK(error_of_opening<model_of<llava::llava_1_6_vicuna_7b>>(golden::folder("clip_mha"))
            .find("merge: the model has spatial_unpad, the folder has one square") != std::string::npos);
}

TEST_CASE("any resolution: a folder without the newline is an error that names it", "[pipeline]") {
  const changed_folder folder(golden::folder("original_inside"), "llava-v1.6-no-newline",
                              "\"mm_vision_tower\": \"tower\",",
                              "\"mm_vision_tower\": \"tower\", \"image_aspect_ratio\": \"anyres\", "
                              "\"mm_patch_merge_type\": \"spatial_unpad\", \"image_grid_pinpoints\": [[42, 84]],");
  CHECK(error_of_opening(folder.path.string()).find("model.image_newline: missing, expected (48)") !=
        std::string::npos);
}
