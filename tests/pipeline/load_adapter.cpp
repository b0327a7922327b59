// SPDX-License-Identifier: Apache-2.0
/// Folders that are no live adapter of a model, and the life of those that are.
#include <llava/checkpoint/safetensors.hpp>
#include <llava/checkpoint/safetensors_writer.hpp>
#include <llava/pipeline/erase.hpp>
#include <temporary_folder.hpp>

#include "adapted_model.hpp"

using namespace adapters;

namespace {

template <class Model>
std::string refused(const Model& model, const std::string& folder) {
  const auto loaded = try_load_adapter(model, folder);
  return loaded ? "" : loaded.error().sentence();
}

struct one_file final : tensor_source {
  safetensors_file file;
  explicit one_file(const std::string& path) : file(safetensors_file::try_open(path).value()) {}
  const stored_tensor* find(std::string_view name) const override { return file.find(name); }
  void for_each(function_ref<void(const stored_tensor&)> visit) const override { file.for_each(visit); }
  std::string identity() const override { return file.identity(); }
};

/// Writes tensors as f32, under names that `renamed` returns, with `number` in place of all numbers of lora_B.
void write_f32(
    const tensor_source& from, const std::string& file,
    const std::function<std::string(std::string)>& renamed = [](std::string name) { return name; },
    std::optional<float> number = {}) {
  std::vector<safetensors_plan> plan;
  from.for_each([&](const stored_tensor& t) { plan.push_back({renamed(t.name), dtype::float32, t.dims, {}}); });
  auto to = safetensors_writer::try_create(file, plan).value();
  from.for_each([&](const stored_tensor& t) {
    std::vector<float> values(1);
    for (const std::size_t extent : t.dims) values.resize(values.size() * extent);
    const auto columns = static_cast<std::int64_t>(t.dims.empty() ? 1 : values.size() / t.dims[0]);
    t.with_rows(columns, [&](const row_source& rows) {
      rows.read(0, static_cast<std::int64_t>(values.size()) / columns, values.data());
    });
    if (number && t.name.find("lora_B") != std::string::npos) std::fill(values.begin(), values.end(), *number);
    REQUIRE(to.try_write(std::as_bytes(std::span<const float>(values))));
  });
  REQUIRE(to.try_finish());
}

}  // namespace

TEST_CASE("an adapter is freed by its last user, and is refused by another model's sessions", "[pipeline]") {
  auto model = std::make_optional(open_on<live, f32>());
  std::weak_ptr<const adapter> seen;
  {
    auto chat = model->session();
    chat.adapter = load(*model, "attention");
    seen = chat.adapter;
    CHECK(chat.adapter->bytes() > 1000);
    auto twin = chat.fork();
    logits(twin);
    chat = model->session();
    CHECK(!seen.expired());
    twin.adapter = nullptr;
    logits(twin);
    CHECK(seen.expired());
  }
  const auto kept = load(*model, "attention");
  model.reset();
  const auto other = open_on<live, f32>();
  auto chat = other.session();
  chat.adapter = kept;
  const question q = one();
  const auto refused = chat.try_logits(q.prompt, q.images);
  REQUIRE(!refused);
  CHECK(refused.error().sentence() == "llava: the adapter of " + adapters::folder +
                                          "attention was loaded for another model; load it for the model of this "
                                          "session");
  auto rows = other.batch();
  CHECK(!rows.try_add(q.prompt, q.images, {}, {}, kept));
  chat.adapter = nullptr;
  CHECK(chat.try_logits(q.prompt, q.images));
}

TEST_CASE("folders that hold no live adapter of the model are refused by a sentence", "[pipeline]") {
  const auto model = open_on<live, f32>();
  const one_file attention(adapters::folder + "attention/adapter_model.safetensors");
  const std::string config =
      temporary_folder("unused").copy(adapters::folder + "attention").read("adapter_config.json");
  const auto error = [&](const std::string& json, const std::string& from = {}, const std::string& to = {},
                         std::optional<float> number = {}) {
    REQUIRE(!json.empty());
    temporary_folder made("adapter");
    made.write("adapter_config.json", json);
    write_f32(
        attention, made / "adapter_model.safetensors",
        [&](std::string name) {
          const std::string other = from.empty() ? std::string() : replaced(name, from, to);
          return other.empty() ? name : other;
        },
        number);
    return replaced(refused(model, made.path.string()), made.path.string(), "FOLDER");
  };
  const std::string q = "layers.0.self_attn.q_proj", text = "model.language_model.",
                    its = "llava: FOLDER: the adapter of ",
                    merge =
                        "; open the adapter's folder with its base as model_base (--model-base) instead, "
                        "which merges it";
  CHECK(error(config).empty());
  // tensors
  CHECK(error(config, text + q, text + "layers.7.self_attn.q_proj") ==
        its + text + "layers.7.self_attn.q_proj changes a weight that the model does not have, " + text +
            "layers.7.self_attn.q_proj.weight");
  CHECK(
      error(config, text + q + ".lora_A.weight", text + q + ".lora_X.weight").find("part of an adapter is not known") !=
      std::string::npos);
  CHECK(error(config, text + q + ".lora_A.weight", text + "layers.1.self_attn.o_proj.lora_A.weight") ==
        its + text + q + " has no lora_A");
  CHECK(error(config, text + q + ".", "lm_head.") ==
        its + "lm_head changes language_model.lm_head.weight, which cannot have a live adapter" + merge);
  CHECK(error(config, text + q + ".", text + "embed_tokens.")
            .find("embed_tokens.weight, which cannot have a live adapter" + merge) != std::string::npos);
  CHECK(error(config, text + q + ".", text + "norm.").find("norm.weight, which cannot have a live adapter") !=
        std::string::npos);
  CHECK(error(config, text + q + ".", "model.multi_modal_projector.linear_1.")
            .find("lora_A.weight: expected (4, 32), found (4, 48)") != std::string::npos);
  CHECK(error(config, text + q + ".", text + "layers.0.mlp.down_proj.")
            .find("lora_A.weight: expected (4, 104), found "
                  "(4, 48)") != std::string::npos);
  CHECK(error(config, text + q + ".lora_A.weight", text + "norm.weight")
            .find("norm.weight whole, which a live adapter cannot" + merge) != std::string::npos);
  CHECK(error(config, "", "", 1e38f).empty());
  CHECK(error(config, "", "", 3e38f).find(".lora_B.weight that are not finite as f32 after they are scaled" + merge) !=
        std::string::npos);
  CHECK(error(config, "", "", NAN).find("that are not finite as f32") != std::string::npos);
  // settings
  CHECK(error(replaced(config, R"("r": 4)", R"("r": 5)")).find("expected (5, ") != std::string::npos);
  CHECK(error(replaced(config, R"("use_dora": false)", R"("use_dora": true)")) ==
        "llava: FOLDER: a DoRA adapter cannot be live" + merge);
  CHECK(error(replaced(config, R"("LORA")", R"("IA3")")).find("peft_type") != std::string::npos);
  // ranks, files
  const auto narrow = open_on<live, f32>(base, live({}, 19));
  CHECK(refused(narrow, adapters::folder + "all")
            .find("has rank 20; the model was opened for ranks up to 19: open it with a larger "
                  "max_rank, or open the adapter's folder with its base") != std::string::npos);
  CHECK(load(narrow, "mlp"));
  CHECK(refused(model, base).find("adapter_config.json") != std::string::npos);
  temporary_folder more("more");
  more.copy(adapters::folder + "attention").write("non_lora_trainables.bin", "x");
  CHECK(refused(model, more.path.string()).find("non_lora_trainables.bin holds other weights") != std::string::npos);
  std::filesystem::remove(more.path / "non_lora_trainables.bin");
  CHECK(refused(model, more.path.string()).empty());
  std::filesystem::remove(more.path / "adapter_model.safetensors");
  CHECK(
      refused(model, more.path.string()).find("without its tensors, adapter_model.safetensors or adapter_model.bin") !=
      std::string::npos);
  CHECK(refused(model, LLAVA_TEST_DATA "/lora/llava").find("non_lora_trainables.bin holds") != std::string::npos);
}

TEST_CASE("sessions of a chat_model have adapters of their own, with the logits of typed sessions", "[pipeline]") {
  const auto model = open_on<live, f32>();
  const chat_model erased = erase(model);
  const question q = one();
  auto chat = erased.session(), plain = erased.session();
  for (const std::string& name : names) {
    INFO(name);
    chat.adapter = erased.load_adapter(adapters::folder + name);
    const auto found = chat.try_logits(q.prompt, q.images), twin = chat.fork().try_logits(q.prompt, q.images);
    REQUIRE((found && twin));
    CHECK(same_bytes(*found, logits(model, load(model, name))));
    CHECK(same_bytes(*found, *twin));
    CHECK(same_bytes(*plain.try_logits(q.prompt, q.images), logits(model)));
  }
  CHECK(erased.try_load_adapter(base).error().sentence().find("adapter_config.json") != std::string::npos);
}
