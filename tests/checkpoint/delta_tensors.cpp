// SPDX-License-Identifier: Apache-2.0
/// Deltas over their base, against LLaVA's own apply_delta (tests/oracle/delta_weights.py), and the rows of a base.
#include <llava/checkpoint/checkpoint.hpp>
#include <llava/checkpoint/safetensors.hpp>

#include <llava_catch.hpp>
#include <refuse_each.hpp>
#include <temporary_folder.hpp>
#include <torch_writer.hpp>

namespace {

using namespace llava;

const std::string data = LLAVA_TEST_DATA "/torch/", base = data + "base", delta = data + "tiny-delta-v0";

/// The values of a tensor, read in runs of `run` rows.
std::vector<float> values_of(const stored_tensor& t, std::int64_t run) {
  const std::int64_t columns = t.columns(), rows = static_cast<std::int64_t>(t.dims[0]);
  std::vector<float> values(static_cast<std::size_t>(rows * columns));
  t.with_rows(columns, [&](const row_source& from) {
    for (std::int64_t r = 0; r < rows; r += run) from.read(r, std::min(run, rows - r), values.data() + r * columns);
  });
  return values;
}

std::string error_of(const std::string& folder, const std::string& under) {
  const auto opened = try_open_tensors(folder, under);
  return opened ? std::string() : opened.error().sentence();
}

}  // namespace

TEST_CASE("a delta over its base has the tensors of LLaVA's apply_delta") {
  const auto sum = try_open_tensors(delta, base);
  if (!sum) FAIL(sum.error().what());
  const auto target = safetensors_file::try_open(data + "target/model.safetensors");
  REQUIRE(target);
  std::size_t count = 0;
  target->for_each([&](const stored_tensor& expected) {
    INFO(expected.name);
    const stored_tensor* t = (*sum)->find(expected.name);
    REQUIRE(t);
    CHECK(t->dims == expected.dims);
    CHECK(t->type == dtype::float16);
    for (const std::int64_t run : {1, 7, 1000}) CHECK(values_of(*t, run) == values_of(expected, 1));
    ++count;
  });
  CHECK(count == 14);
  (*sum)->for_each([&](const stored_tensor& t) { CHECK(target->find(t.name)); });
  CHECK((*sum)->identity() == (*try_open_tensors(delta, base))->identity());
  CHECK((*sum)->identity() != (*try_open_tensors(delta))->identity());
  CHECK(refuse_each([] { return try_open_tensors(delta, base); }) > 100);
}

TEST_CASE("a delta that does not fit its base is refused, and so is a whole model that is not called a delta") {
  temporary_folder f("deltas");
  const auto write = [&](const std::string& folder, const torch_writer::tensor& t) {
    torch_writer::tensor full = t;
    full.data = std::string(16, '\1');
    f.write(folder + "/pytorch_model.bin", torch_writer::torch_zip({full}));
  };
  write("delta", {"model.norm.weight"});
  const auto with_base = [&](const torch_writer::tensor& t) {
    write("base", t);
    return error_of(f / "delta", f / "base");
  };
  CHECK(with_base({"model.norm.weight"}).empty());
  CHECK(with_base({"other"}).find("model.norm.weight is a delta, but its base has no tensor of this name; is this the "
                                  "base that the delta was made from?") != std::string::npos);
  CHECK(with_base({"model.norm.weight", "FloatStorage", "0", 4, 0, {1, 2}, {2, 1}}).find("it has another shape in ") !=
        std::string::npos);
  CHECK(with_base({"model.norm.weight", "FloatStorage", "0", 4, 0, {}, {}}).find("it has another shape in ") !=
        std::string::npos);
  CHECK(with_base({"model.norm.weight", "IntStorage"}).find("it is not of floats in both") != std::string::npos);
  CHECK(with_base({"model.norm.weight", "FloatStorage", "0", 4, 0, {2, 2}, {1, 2}}).find("are not contiguous") !=
        std::string::npos);
  write("delta", {"lm_head.weight", "FloatStorage", "0", 4, 0, {1, 2}, {2, 1}});
  CHECK(with_base({"lm_head.weight"}).find("it has another shape in ") != std::string::npos);  // fewer rows

  std::filesystem::rename(f / "delta", f / "model");
  CHECK(error_of(f / "model", f / "base")
            .find("holds a whole model, neither an adapter nor a projector alone; open it without a model "
                  "base, or give its folder a name with \"delta\"") != std::string::npos);
  CHECK(error_of(delta, f / "nothing").find("cannot open the folder") != std::string::npos);
}

TEST_CASE("a folder named as published deltas are needs its base, from which it takes tensors only") {
  temporary_folder f("named_delta");
  const std::string original = LLAVA_TEST_DATA "/goldens/original_folder", copy = f / "LLaVA-7b-Delta-v0";
  std::filesystem::copy(original, copy, std::filesystem::copy_options::recursive);
  const auto alone = try_open_checkpoint(copy);
  REQUIRE_FALSE(alone);
  CHECK(alone.error().sentence() == "llava: " + copy +
                                        " is called a delta: its weights are differences from a base; give the base "
                                        "as model_base (--model-base), or rename the folder if it "
                                        "holds a whole model");
  f.write("base.gguf", "");
  const auto over_gguf = try_open_checkpoint(copy, f / "base.gguf");
  REQUIRE_FALSE(over_gguf);
  CHECK(over_gguf.error().sentence().find("is a GGUF model, which cannot be the base of ") != std::string::npos);
  std::filesystem::create_directory(f / "base");
  std::filesystem::copy(original + "/model.safetensors", f / "base");
  const auto sum = try_open_checkpoint(copy, f / "base");
  if (!sum) FAIL(sum.error().what());
  CHECK(sum->base.empty());
  CHECK(sum->tensors.find("text.norm.weight")->rows);
  CHECK_FALSE(sum->tensors.find("vision.pre_layrnorm.weight")->rows);

  // Our writers write whole models, whatever the folder is called.
  const std::string config = f.read("LLaVA-7b-Delta-v0/config.json");
  f.write("LLaVA-7b-Delta-v0/config.json", replaced(config, "{", R"({"llava_model_name": "LLaVA-7b-Delta-v0", )"));
  const auto whole = try_open_checkpoint(copy);
  if (!whole) FAIL(whole.error().what());
  CHECK_FALSE(whole->tensors.find("text.norm.weight")->rows);
  CHECK(error_of(copy, f / "base").find("holds a whole model, neither an adapter") != std::string::npos);
}

TEST_CASE("the owner of a repository says nothing about deltas") {
  temporary_folder f("owner");
  const std::string snapshot = "models--the-delta-v0-lab--tiny/snapshots/0123abcd";
  std::filesystem::create_directories(f / snapshot);
  std::filesystem::copy(LLAVA_TEST_DATA "/goldens/text_llama", f / snapshot);
  const auto opened = try_open_checkpoint(f / snapshot);
  if (!opened) FAIL(opened.error().what());
  CHECK(error_of(f / snapshot, LLAVA_TEST_DATA "/goldens/text_llama").find("holds a whole model") != std::string::npos);
  const std::string tiny_delta = "models--lab--tiny-delta-v0/snapshots/0123abcd";
  std::filesystem::create_directories(f / tiny_delta);
  std::filesystem::copy(LLAVA_TEST_DATA "/goldens/text_llama", f / tiny_delta);
  CHECK(try_open_checkpoint(f / tiny_delta).error().sentence().find("is called a delta") != std::string::npos);
}

TEST_CASE("a folder with a whole model and an adapter's settings is refused, as a model and as a base") {
  temporary_folder f("two_forms");
  f.copy(LLAVA_TEST_DATA "/goldens/text_llama").write("adapter_config.json", "{}");
  const std::string folder = f.path.string(), sentence = "llava: " + folder +
                                                         " holds a whole model and an adapter, adapter_config.json; "
                                                         "open the model without that file, or the adapter in a "
                                                         "folder of its own over its base";
  const auto opened = try_open_checkpoint(folder);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().sentence() == sentence);
  CHECK(error_of(LLAVA_TEST_DATA "/lora/llava", folder) == sentence);
  std::filesystem::remove(f.path / "adapter_config.json");
  CHECK(try_open_checkpoint(folder));
}

TEST_CASE("a projector's tensors take the place of its base's, rounded to f16") {
  temporary_folder f("over");
  const auto bytes_of = [](const std::vector<float>& values) {
    return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  };
  const torch_writer::tensor one{
      "model.mm_projector.weight", "FloatStorage", "0", 4, 0, {2, 2}, {1, 2}, bytes_of({1.f, 1.0001f, 2049.f, -1e-9f})};
  f.write("over/mm_projector.bin", torch_writer::torch_zip({one}));
  torch_writer::tensor below = one, other = one;
  other.name = "other", other.key = "1";
  f.write("base/pytorch_model.bin", torch_writer::torch_zip({below, other}));
  const auto opened = try_open_tensors(f / "over", f / "base");
  if (!opened) FAIL(opened.error().what());
  const stored_tensor& t = *(*opened)->find(one.name);
  CHECK(t.type == dtype::float16);
  CHECK(values_of(t, 1) == std::vector<float>{1.f, 2048.f, 1.f, -0.f});
  CHECK((*opened)->find("other")->type == dtype::float32);
  std::vector<std::string> names;
  (*opened)->for_each([&](const stored_tensor& s) { names.push_back(s.name); });
  CHECK(names == std::vector<std::string>{one.name, "other"});
}
