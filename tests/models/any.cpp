// SPDX-License-Identifier: Apache-2.0
/// Custom choices in the lists of llava::any, found by their names in a config.json.
#include <closeness.hpp>
#include <llava.hpp>
#include <llava/checkpoint/json.hpp>
#include <llava_catch.hpp>
#include <temporary_folder.hpp>

namespace {

/// mlp_gelu applied to every other feature.
struct halved_mlp {
  static constexpr std::string_view name = "halved_mlp";
  template <class B, class F>
  class stage {
   public:
    explicit stage(const llava::projector_config& c) : inner_(c) {}
    template <class Visit>
    void each(Visit&& visit) {
      inner_.each(visit);
    }
    int rows(int features) const { return features / 2; }
    template <class Q>
    void forward(Q& q, llava::matrix_view<float> y, llava::matrix_view<const float> x) const {
      inner_.forward(q, y, {x.data(), llava::dynamic_shape<2>(x.extent(0) / 2, x.extent(1)), 2 * x.stride()});
    }

   private:
    llava::mlp_gelu::stage<B, F> inner_;
  };
};

struct open_to_more : llava::any {
  using projector = llava::any_projector<llava::mlp_gelu, halved_mlp>;
};
/// Knows fewer activations than llava::any.
struct silu_only : llava::any {
  using text_activation = llava::silu;
};

template <class M>
llava::result<llava::pipeline<M, llava::simd, llava::weights<llava::f32>>> try_open(const std::string& folder) {
  llava::open_options o;
  o.threads = 1, o.kv_tokens = 256;
  return llava::try_open<M, llava::simd, llava::f32>(folder, o);
}

/// LLaMA's decoder, with a count of the steps that it runs.
struct counting_decoder {
  static constexpr std::string_view name = llava::llama_decoder::name;
  static inline int steps = 0;

  template <class B, class Numbers, class P, class Act>
  class stage : public llava::llama_decoder::stage<B, Numbers, P, Act> {
   public:
    using base = llava::llama_decoder::stage<B, Numbers, P, Act>;
    using base::base;
    template <class... A>
    bool forward(A&&... arguments) const {
      ++steps;
      return base::forward(std::forward<A>(arguments)...);
    }
  };
};
struct counted : llava::any {
  using decoder = llava::any_decoder<llava::mpt_decoder, counting_decoder>;
};

/// Knows no S2.
struct one_scale : llava::any {
  using tower = llava::clip_tower;
};
/// Knows one decoder.
struct llama_only : llava::any {
  using decoder = llava::llama_decoder;
};

}  // namespace

TEST_CASE("config.json chooses the decoder, and a model that lacks it says which ones it knows") {
  const std::string folder = LLAVA_TEST_DATA "/goldens/text_mpt";
  CHECK(try_open<llava::any>(folder));
  const auto refused = try_open<llama_only>(folder);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().sentence() == "llava: " + folder +
                                          "/config.json: the decoder 'mpt' is not supported by this model type; "
                                          "known: llama");
  CHECK(try_open<llama_only>(LLAVA_TEST_DATA "/goldens/text_llama"));
}

TEST_CASE("a custom decoder takes its place in the list") {
  const std::string folder = LLAVA_TEST_DATA "/goldens/text_llama";
  const auto own = try_open<counted>(folder);
  const auto usual = try_open<llava::any>(folder);
  REQUIRE((own && usual));
  counting_decoder::steps = 0;
  const auto logits = own->session().try_logits("How many?", {});
  REQUIRE(logits);
  CHECK(counting_decoder::steps == 1);
  CHECK(*logits == *usual->session().try_logits("How many?", {}));
}

TEST_CASE("a model whose tower takes one scale refuses a folder with S2") {
  const std::string folder = LLAVA_TEST_DATA "/goldens/original_s2";
  const auto opened = llava::try_open_checkpoint(folder);
  REQUIRE(opened);
  const auto refused = llava::model_stages<one_scale, llava::simd, llava::weights<llava::f32>>::try_make(*opened);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().sentence() ==
        "llava: " + folder +
            "/config.json: \"s2\" is true, but this model type's tower takes one scale; name s2_tower as its tower");
}

TEST_CASE("R15: yarn, longrope and dynamic scaling match transformers in the whole model") {
  const auto json = llava::json_document::try_read(LLAVA_TEST_DATA "/models/rope_logits.json");
  REQUIRE(json);
  const std::string prompt = *json->value().find("prompt")->text();
  REQUIRE(json->value().find("cases")->items().size() == 4);
  for (const llava::json_value& one : json->value().find("cases")->items()) {
    temporary_folder f("scaled");
    f.copy(LLAVA_TEST_DATA "/goldens/text_llama");
    f.write("config.json", replaced(f.read("config.json"), "\"rope_type\": \"default\"", *one.find("scaling")->text()));
    INFO(*one.find("scaling")->text());
    const auto model = try_open<llava::any>(f.path.string());
    if (!model) FAIL(model.error().what());
    std::vector<float> expected;
    for (const llava::json_value& v : one.find("logits")->items()) expected.push_back(static_cast<float>(*v.number()));
    const auto logits = model->session().try_logits(prompt, {});
    REQUIRE(logits);
    REQUIRE(logits->size() == expected.size() * static_cast<std::size_t>(*json->value().find("tokens")->integer()));
    CHECK(largest_error({logits->end() - static_cast<std::ptrdiff_t>(expected.size()), logits->end()}, expected) <
          1e-4);
  }
}

TEST_CASE("a custom projector is found by its name in both layouts, and the error of llava::any names the known ones") {
  const std::vector<std::uint8_t> rgb(3 * 50 * 40, 90);
  const llava::image img = *llava::try_image_from_rgb(50, 40, std::as_bytes(std::span<const std::uint8_t>(rgb)));
  for (const std::string layout : {"clip_mha", "original_folder"}) {
    INFO(layout);
    temporary_folder f("own_" + layout);
    f.copy(LLAVA_TEST_DATA "/goldens/" + layout);
    const auto usual = try_open<open_to_more>(f.path.string());
    REQUIRE(usual);
    std::string config = f.read("config.json");
    config = layout == "clip_mha" ? replaced(config, "{", "{\"mm_projector_type\": \"halved_mlp\", ")
                                  : replaced(config, "mlp2x_gelu", "halved_mlp");
    REQUIRE_FALSE(config.empty());
    f.write("config.json", config);
    const auto own = try_open<open_to_more>(f.path.string());
    if (!own) FAIL(own.error().what());
    const std::vector<float> all = *usual->try_image_tokens(img), half = *own->try_image_tokens(img);
    const auto width = static_cast<std::size_t>(usual->description().text.hidden);
    const std::size_t rows = all.size() / width;
    REQUIRE(half.size() == rows / 2 * width);
    for (std::size_t r = 0; r < rows / 2; ++r)  // the same rows, computed from every other feature
      CHECK(std::equal(half.begin() + static_cast<std::ptrdiff_t>(r * width),
                       half.begin() + static_cast<std::ptrdiff_t>((r + 1) * width),
                       all.begin() + static_cast<std::ptrdiff_t>(2 * r * width)));
    const auto unknown = try_open<llava::any>(f.path.string());
    REQUIRE_FALSE(unknown);
    CHECK(unknown.error().sentence().find(
              "the projector 'halved_mlp' is not supported by this model type; known: mlp_gelu, "
              "linear, identity") != std::string::npos);
  }
}

TEST_CASE("R15: the gate's activation is selected by name and matches transformers") {
  temporary_folder f("gelu_gate");
  f.copy(LLAVA_TEST_DATA "/goldens/text_llama");
  f.write("config.json", replaced(f.read("config.json"), "\"silu\"", "\"gelu\""));
  const auto model = try_open<llava::any>(f.path.string());
  if (!model) FAIL(model.error().what());
  const auto json = llava::json_document::try_read(LLAVA_TEST_DATA "/models/gelu_gate.json");
  REQUIRE(json);
  std::vector<float> expected;
  for (const llava::json_value& v : json->value().find("logits")->items())
    expected.push_back(static_cast<float>(*v.number()));
  const auto logits = model->session().try_logits(*json->value().find("prompt")->text(), {});
  REQUIRE(logits);
  REQUIRE(logits->size() == expected.size() * json->value().find("ids")->items().size());
  const std::vector<float> last(logits->end() - static_cast<std::ptrdiff_t>(expected.size()), logits->end());
  CHECK(largest_error(last, expected) < 1e-4);
  CHECK(try_open<silu_only>(f.path.string())
            .error()
            .sentence()
            .find("the text activation 'gelu' is not supported by this model type; known: ") != std::string::npos);
}
