// SPDX-License-Identifier: Apache-2.0
/// Verifying a folder: every kind of mistake is made once in a copy of the bundled model, and must be found and named.
#include <llava/backend/scalar.hpp>
#include <llava/checkpoint/safetensors.hpp>
#include <llava/checkpoint/safetensors_writer.hpp>
#include <llava/models/any.hpp>
#include <llava/pipeline/verify.hpp>
#include <llava/quant/q8_0.hpp>

#include <limits>

#include <llava_catch.hpp>
#include <temporary_folder.hpp>

namespace {

using namespace llava;

const std::string tiny = LLAVA_EXAMPLES_DIR "/tiny";

result<verification> verified(const std::string& folder, const open_options& options = {}) {
  LLAVA_TRY(from, try_open_checkpoint(folder));
  return try_verify<any, scalar>(from, options);
}

/// Copies the bundled model and writes its tensors anew: change(plan, bytes) returns false for those that are left out.
template <class Change>
void write_changed(const temporary_folder& folder, Change&& change, const std::vector<safetensors_plan>& more = {}) {
  std::filesystem::copy(tiny, folder.path,
                        std::filesystem::copy_options::recursive | std::filesystem::copy_options::overwrite_existing);
  std::filesystem::remove(folder / "model.safetensors");
  const auto from = safetensors_folder::try_open(tiny);
  REQUIRE(from);
  std::vector<safetensors_plan> plan;
  std::vector<std::vector<std::byte>> data;
  from->for_each([&](const stored_tensor& t) {
    safetensors_plan to{t.name, t.type, t.dims, {}};
    std::vector<std::byte> bytes(t.bytes.begin(), t.bytes.end());
    if (!change(to, bytes)) return;
    plan.push_back(std::move(to)), data.push_back(std::move(bytes));
  });
  for (const safetensors_plan& one : more) plan.push_back(one), data.emplace_back(one.bytes());
  auto to = safetensors_writer::try_create(folder / "model.safetensors", plan);
  REQUIRE(to);
  for (const auto& bytes : data) REQUIRE(to->try_write(bytes));
  REQUIRE(to->try_finish());
}

void set_f16(std::vector<std::byte>& bytes, std::size_t at, float value) {
  const f16 stored = from_float<f16>(value);
  std::memcpy(bytes.data() + 2 * at, &stored, 2);
}

}  // namespace

TEST_CASE("the bundled model has no mistakes, and every value is read") {
  const auto v = verified(tiny);
  if (!v) FAIL(v.error().what());
  for (const std::string& mistake : v->mistakes) UNSCOPED_INFO(mistake);
  CHECK(v->mistakes.empty());
  CHECK(v->unexpected.empty());
  std::uint64_t tensors = 0, values = 0;
  const auto from = safetensors_folder::try_open(tiny);
  from->for_each([&](const stored_tensor& t) { ++tensors, values += t.bytes.size() / size_of(t.type); });
  CHECK(v->tensors == tensors);
  CHECK(v->values == values);
}

TEST_CASE("every mistake is found, and its sentence names the tensor") {
  struct made {
    const char* sentence;
    bool (*change)(safetensors_plan& to, std::vector<std::byte>& bytes);
  };
  for (const made& one :
       {made{
            "language_model.model.norm.weight: missing, expected (128)",
            [](safetensors_plan&to, std::vector<std::byte>&) { return to.name != "language_model.model.norm.weight"; }},
        made{"language_model.model.norm.weight: expected (128), found (64, 2) in ",
             [](safetensors_plan&to, std::vector<std::byte>&) {
               if (to.name == "language_model.model.norm.weight") to.dims = {64, 2};
               return true;
             }},
        made{"language_model.model.norm.weight: 2 of 128 values in ",
             [](safetensors_plan&to, std::vector<std::byte>&bytes) {
               const float nan = std::numeric_limits<float>::quiet_NaN();
               if (to.name == "language_model.model.norm.weight") set_f16(bytes, 0, nan), set_f16(bytes, 127, nan);
               return true;
             }},
        made{"language_model.lm_head.weight: 0 of 98304 values in ",
             [](safetensors_plan&to, std::vector<std::byte>&bytes) {
               if (to.name == "language_model.lm_head.weight")
                 set_f16(bytes, bytes.size() / 2 - 1, -std::numeric_limits<float>::infinity());
               return true;
             }},
        made{"language_model.model.layers.3.extra.weight: is in ", [](safetensors_plan&to, std::vector<std::byte>&) {
               if (to.name == "language_model.model.layers.3.input_layernorm.weight")
                 to.name = "language_model.model.layers.3.extra.weight";
               return true;
             }}}) {
    INFO(one.sentence);
    temporary_folder f("verify");
    write_changed(f, one.change);
    const auto v = verified(f.path.string());
    if (!v) FAIL(v.error().what());
    REQUIRE_FALSE(v->mistakes.empty());
    std::string all;
    for (const std::string& mistake : v->mistakes) all += mistake + "\n";
    INFO(all);
    CHECK(all.find(one.sentence) != std::string::npos);
  }
}

TEST_CASE("tensors of no part of the model are listed, the buffers of older versions are not") {
  temporary_folder f("verify_unexpected");
  write_changed(f, [](safetensors_plan&, std::vector<std::byte>&) { return true; },
                {{"audio.weight", dtype::float16, {3}, {}},
                 {"language_model.model.layers.0.self_attn.rotary_emb.inv_freq", dtype::float32, {16}, {}},
                 {"vision_tower.vision_model.embeddings.position_ids", dtype::int64, {1, 50}, {}}});
  const auto v = verified(f.path.string());
  if (!v) FAIL(v.error().what());
  CHECK(v->mistakes.empty());
  CHECK(v->unexpected == std::vector<std::string>{"audio.weight"});
}

TEST_CASE("block formats are compared, and their scales are read") {
  const std::string name = "language_model.model.layers.0.mlp.up_proj.weight";
  for (const bool broken : {false, true}) {
    temporary_folder f("verify_blocks");
    write_changed(f, [&](safetensors_plan& to, std::vector<std::byte>& bytes) {
      if (to.name != name) return true;
      std::vector<std::byte> rows;
      for (std::size_t r = 0; r < to.dims[0]; ++r) {
        std::vector<std::byte> row(static_cast<std::size_t>(block_view<q8_0>::row_bytes(128)));
        float line[128];
        stored_rows({dtype::float16, bytes.data()}, 128).read(static_cast<std::int64_t>(r), 1, line);
        q8_0::encode(line, 128, row.data());
        if (broken && r == 7) {
          const f16 infinite = from_float<f16>(std::numeric_limits<float>::infinity());
          std::memcpy(row.data() + 34, &infinite, 2);  // the scale of its second block
        }
        rows.insert(rows.end(), row.begin(), row.end());
      }
      to.type = dtype::uint8, to.format = "q8_0", to.dims[1] = rows.size() / to.dims[0], bytes = rows;
      return true;
    });
    const auto v = verified(f.path.string());
    if (!v) FAIL(v.error().what());
    if (!broken) CHECK(v->mistakes.empty());
    if (broken) {
      REQUIRE(v->mistakes.size() == 1);
      CHECK(v->mistakes[0].find(name + ": 1 of 320 rows in ") == 0);
    }
  }
}

TEST_CASE("the tokenizer and the ids of config.json are compared with the table's rows") {
  struct changed {
    const char *from, *to, *sentence;
  };
  for (const changed& c : {changed{"\"image_token_index\": 766", "\"image_token_index\": 767",
                                   ": <image> is 766 in the tokenizer, but 767"},
                           changed{"\"image_token_index\": 766", "\"image_token_index\": 768",
                                   ": the id of <image> is 768, but the table of embeddings has 768 rows"}}) {
    INFO(c.sentence);
    temporary_folder f("verify_tokens");
    std::filesystem::copy(tiny, f.path, std::filesystem::copy_options::recursive);
    f.write("config.json", replaced(f.read("config.json"), c.from, c.to));
    const auto v = verified(f.path.string());
    if (!v) FAIL(v.error().what());
    std::string all;
    for (const std::string& mistake : v->mistakes) all += mistake + "\n";
    INFO(all);
    CHECK(all.find(c.sentence) != std::string::npos);
  }
  temporary_folder f("verify_eos");
  std::filesystem::copy(tiny, f.path, std::filesystem::copy_options::recursive);
  f.write("generation_config.json", R"({"bos_token_id": 1, "eos_token_id": [2, 900]})");
  const auto v = verified(f.path.string());
  if (!v) FAIL(v.error().what());
  REQUIRE(v->mistakes.size() == 1);
  CHECK(v->mistakes[0].find(": eos_token_id is 900, but the table of embeddings has 768 rows") != std::string::npos);
}

TEST_CASE("verifying is cancelled by its report") {
  open_options options;
  int calls = 0;
  options.report = [&](const progress& p) {
    CHECK(p.what == "verifying weights");
    CHECK(p.total > 100);
    return ++calls < 5;
  };
  const auto v = verified(tiny, options);
  REQUIRE_FALSE(v);
  CHECK(v.error().code() == errc::cancelled);
  CHECK(calls == 5);
}
