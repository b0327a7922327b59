// SPDX-License-Identifier: Apache-2.0
#include <llava/checkpoint/lora.hpp>
#include <llava/checkpoint/safetensors.hpp>
#include <llava/tensor/strided_rows.hpp>

#include <llava_catch.hpp>
#include <temporary_folder.hpp>

#include <map>
#include <string>
#include <vector>

namespace {

using namespace llava;

/// One safetensors file with some tensors changed, added or removed.
struct some_tensors final : tensor_source {
  safetensors_file file;
  std::map<std::string, stored_tensor, std::less<>> all;

  explicit some_tensors(const std::string& path) : file(safetensors_file::try_open(path).value()) {
    file.for_each([&](const stored_tensor& t) { all.emplace(t.name, t); });
  }
  const stored_tensor* find(std::string_view name) const override {
    const auto found = all.find(name);
    return found == all.end() ? nullptr : &found->second;
  }
  void for_each(function_ref<void(const stored_tensor&)> visit) const override {
    for (const auto& [name, t] : all) visit(t);
  }
  std::string identity() const override { return file.identity(); }

  void rename(const std::string& from, const std::string& to) {
    stored_tensor t = all.at(from);
    all.erase(from);
    t.name = to;
    all.emplace(to, t);
  }
};

const std::string data = LLAVA_TEST_DATA "/lora/";
std::unique_ptr<some_tensors> base() { return std::make_unique<some_tensors>(data + "base.safetensors"); }
std::unique_ptr<some_tensors> adapter(const std::string& name) {
  return std::make_unique<some_tensors>(data + name + "/adapter_model.safetensors");
}

std::vector<float> values_of(const stored_tensor& t) {
  std::int64_t columns = 1, rows = static_cast<std::int64_t>(t.dims.at(0));
  for (std::size_t i = 1; i < t.dims.size(); ++i) columns *= static_cast<std::int64_t>(t.dims[i]);
  std::vector<float> values(static_cast<std::size_t>(rows * columns));
  t.with_rows(columns, [&](const row_source& from) { from.read(0, rows, values.data()); });
  return values;
}

double nmse(const std::vector<float>& found, const std::vector<float>& expected) {
  REQUIRE(found.size() == expected.size());
  double error = 0, power = 1e-30;  // some tensors are zeros
  for (std::size_t i = 0; i < found.size(); ++i) {
    error += (double{found[i]} - double{expected[i]}) * (double{found[i]} - double{expected[i]});
    power += double{expected[i]} * double{expected[i]};
  }
  return error / power;
}

std::string error_of(std::unique_ptr<some_tensors> base, std::unique_ptr<some_tensors> adapter,
                     const adapter_config& config) {
  const auto merged = merged_tensors::try_make(std::move(base), std::move(adapter), config, "adapter");
  return merged ? "" : merged.error().sentence();
}

}  // namespace

TEST_CASE("a merged adapter has peft's weights: LoRA, rsLoRA with patterns, DoRA, modules saved whole") {
  for (const std::string name : {"plain", "patterns", "dora", "saved"}) {
    INFO(name);
    const auto config = try_read_adapter_config(data + name).value();
    const auto merged = merged_tensors::try_make(base(), adapter(name), config, data + name).value();
    const some_tensors expected(data + name + "/merged.safetensors"), before(data + "base.safetensors");
    std::size_t seen = 0;
    merged.for_each([&](const stored_tensor& t) {
      INFO(t.name);
      CHECK(merged.find(t.name) == &t);
      const stored_tensor* changed = expected.find(t.name);
      CHECK(nmse(values_of(t), values_of(changed ? *changed : *before.find(t.name))) < (changed ? 1e-13 : 1e-40));
      ++seen;
    });
    CHECK(seen == before.all.size());
    CHECK(merged.find("layers.0.k_proj.weight") == nullptr);
  }
}

TEST_CASE("a row of a merged weight does not depend on the rows that are read with it") {
  const auto config = try_read_adapter_config(data + "patterns").value();
  const auto merged = merged_tensors::try_make(base(), adapter("patterns"), config, "adapter").value();
  const stored_tensor& t = *merged.find("layers.0.up_proj.weight");
  const std::vector<float> all = values_of(t);
  const auto columns = static_cast<std::int64_t>(t.dims[1]);
  std::vector<float> some(all.size());
  for (const std::int64_t first : {0, 1, 15, 16, 17})
    for (std::int64_t count = 1; first + count <= static_cast<std::int64_t>(t.dims[0]); ++count) {
      t.rows->read(first, count, some.data());
      CHECK(std::equal(some.begin(), some.begin() + count * columns, all.begin() + first * columns));
    }
}

TEST_CASE("a row of zeros of a DoRA adapter stays one") {
  const float w[] = {0, 0, 0, 3, 4, 0}, a[] = {1, 0, 0}, b[] = {0, 0}, m[] = {7, 10};
  const auto stored = [](const float* values, std::vector<std::size_t> dims, std::size_t count) {
    stored_tensor t;
    t.dims = std::move(dims);
    t.bytes = {reinterpret_cast<const std::byte*>(values), 4 * count};
    return t;
  };
  const stored_tensor base = stored(w, {2, 3}, 6), down = stored(a, {1, 3}, 3), up = stored(b, {2, 1}, 2),
                      magnitudes = stored(m, {2}, 2);
  std::vector<float> rows(6);
  low_rank_rows(base, {&down, &up, &magnitudes, 1, 1.f}, 3).read(0, 2, rows.data());
  CHECK(rows == std::vector<float>{0, 0, 0, 6, 8, 0});
}

TEST_CASE("an adapter of transformers' older names fits a base of the newer names, and the reverse") {
  const auto config = try_read_adapter_config(data + "plain").value();
  for (const auto& [in_base, in_adapter] : {std::pair{"model.language_model.", "language_model.model."},
                                            std::pair{"language_model.model.", "model.language_model."}}) {
    auto model = base();
    model->rename("layers.0.q_proj.weight", in_base + std::string("layers.0.q_proj.weight"));
    auto added = adapter("plain");
    for (const std::string half : {"A", "B"})
      added->rename("base_model.model.layers.0.q_proj.lora_" + half + ".weight",
                    "base_model.model." + (in_adapter + ("layers.0.q_proj.lora_" + half)) + ".default.weight");
    CHECK(error_of(std::move(model), std::move(added), config).empty());
  }
}

TEST_CASE("an adapter that does not fit its base is refused, and the error names the tensor") {
  const auto plain = try_read_adapter_config(data + "plain").value();
  const std::string q = "base_model.model.layers.0.q_proj.";
  const auto refused = [&](auto change, adapter_config config) {
    auto model = base();
    auto added = adapter("plain");
    change(*model, *added, config);
    return error_of(std::move(model), std::move(added), config);
  };
  using tensors = some_tensors;
  using settings = adapter_config;
  CHECK(refused([&](tensors&, tensors& a, settings&) { a.all.erase(q + "lora_B.weight"); }, plain) ==
        "llava: adapter: the adapter of layers.0.q_proj has no lora_B");
  CHECK(refused([&](tensors&, tensors& a, settings&) { a.all.erase(q + "lora_A.weight"); }, plain) ==
        "llava: adapter: the adapter of layers.0.q_proj has no lora_A");
  CHECK(refused([&](tensors& b, tensors&, settings&) { b.all.erase("layers.0.q_proj.weight"); }, plain) ==
        "llava: adapter: the adapter of layers.0.q_proj changes a weight that the base does not have, "
        "layers.0.q_proj.weight");
  CHECK(refused([&](tensors&, tensors&, settings& c) { c.dora = true; }, plain).find("no lora_magnitude_vector") !=
        std::string::npos);
  CHECK(refused([&](tensors&, tensors&, settings& c) { c.rank = 5; }, plain).find("expected (5, ") !=
        std::string::npos);
  CHECK(refused([&](tensors& b, tensors&, settings&) { b.all.at("layers.0.q_proj.weight").format = "q4_0"; }, plain)
            .find("stores as q4_0") != std::string::npos);
  CHECK(refused([&](tensors& b, tensors&, settings&) { b.all.at("layers.0.q_proj.weight").type = dtype::int8; }, plain)
            .find("stores neither as f32 nor as f16 or bf16") != std::string::npos);
  CHECK(refused([&](tensors&, tensors& a, settings&) { a.all.at(q + "lora_A.weight").type = dtype::int64; }, plain)
            .find("is not f32, f16 or bf16") != std::string::npos);
  const auto transpose = [&](tensors&, tensors& a, settings&) {
    stored_tensor& t = a.all.at(q + "lora_A.weight");
    t.rows = std::make_shared<strided_rows>(t.type, t.bytes.data(), std::vector<std::int64_t>{2, 2},
                                            std::vector<std::int64_t>{1, 2});
  };
  CHECK(refused(transpose, plain).find("its elements are not contiguous") != std::string::npos);
  CHECK(refused([&](tensors&, tensors& a, settings&) { a.rename(q + "lora_A.weight", "q_proj.lora_A.weight"); }, plain)
            .find("does not begin with base_model.model.") != std::string::npos);
  CHECK(refused([&](tensors&, tensors& a, settings&) { a.rename(q + "lora_A.weight", q + "lora_C.weight"); }, plain)
            .find("this part of an adapter is not known") != std::string::npos);
  CHECK(refused([&](tensors&, tensors& a, settings&) { a.rename(q + "lora_A.weight", q + "lora_embedding_A"); }, plain)
            .find("adapters of embeddings are not supported") != std::string::npos);
  CHECK(refused([&](tensors&, tensors& a, settings&) { a.rename(q + "lora_A.weight", q + "weight"); }, plain) ==
        "llava: adapter: the adapter of layers.0.q_proj has no lora_A");
  CHECK(
      refused([&](tensors&, tensors& a, settings&) { a.rename(q + "lora_A.weight", "base_model.model.x.bias"); }, plain)
          .find("the base has no tensor x.bias") != std::string::npos);
  CHECK(refused([&](tensors&, tensors& a, settings&) { a.all.clear(); }, plain) ==
        "llava: adapter holds an adapter without tensors");
}

TEST_CASE("the identity of merged tensors follows the adapter's settings, so that a packed file is made again") {
  adapter_config config = try_read_adapter_config(data + "plain").value();
  const auto identity = [&] {
    return merged_tensors::try_make(base(), adapter("plain"), config, "adapter").value().identity();
  };
  const std::string usual = identity();
  CHECK(identity() == usual);
  config.alphas.emplace_back("layers.0.q_proj", 3.);
  CHECK(identity() != usual);
}

TEST_CASE("adapter_config.json: settings that change the result and are not supported are refused by name") {
  temporary_folder folder("adapter_config");
  const auto error = [&](const std::string& json) {
    folder.write("adapter_config.json", json);
    const auto c = try_read_adapter_config(folder.path.string());
    return c ? "" : c.error().sentence();
  };
  CHECK(error("{}").empty());
  CHECK(error(R"({"r": 64, "lora_alpha": 16, "layer_replication": null, "lora_bias": false})").empty());
  CHECK(error(R"({"use_method_of_2027": false, "config_of_2027": {}, "peft_version": "9.9"})").empty());
  for (const char* refused :
       {R"("peft_type": "IA3")", R"("use_method_of_2027": true)", R"("scale_of_2027": 2.0)",
        R"("layer_replication": [[0, 4]])", R"("lora_bias": true)", R"("use_qalora": true)",
        R"("trainable_token_indices": [1])", R"("eva_config": {"rho": 2})", R"("init_lora_weights": "pissa_niter_4")",
        R"("init_lora_weights": "olora")", R"("rank_pattern": {"^model.*q_proj": 3})", R"("r": 0)", R"("r": 65537)",
        R"("lora_alpha": 1e7)", R"("rank_pattern": {"q_proj": 0})", R"("rank_pattern": {"q_proj": 0.5})",
        R"("alpha_pattern": [3])"}) {
    const std::string sentence = error(std::string("{") + refused + "}");
    const std::string text = refused;
    INFO(sentence);
    CHECK(sentence.find(text.substr(0, text.find(':'))) != std::string::npos);
  }
  std::string names;
  for (int i = 0; i < 4096; ++i) names += text_of("\"m", i, "\": 1, ");
  CHECK(error("{\"rank_pattern\": {" + names + "\"last\": 1}}").find("at most 4096 names of modules") !=
        std::string::npos);
  CHECK(error("{\"rank_pattern\": {" + names.substr(0, names.size() - 2) + "}}").empty());
  folder.write("adapter_config.json", R"({"r": 8, "lora_alpha": 4, "use_rslora": true, "rank_pattern": {"b.q": 16}})");
  const auto c = try_read_adapter_config(folder.path.string()).value();
  CHECK(c.rank_of("a.b.q") == 16);
  CHECK(c.rank_of("a.xb.q") == 8);
  CHECK(c.scale_of("b.q") == 1.f);
}
