// SPDX-License-Identifier: Apache-2.0
/// Deltas written to folders: against differences that are computed here, and LLaVA's own apply_delta
/// (tests/oracle/delta_weights.py).
#include <llava/checkpoint/delta_folder.hpp>
#include <llava/checkpoint/safetensors.hpp>

#include <algorithm>

#include <llava_catch.hpp>
#include <temporary_folder.hpp>

namespace {

using namespace llava;

const std::string data = LLAVA_TEST_DATA "/torch/";

std::vector<float> values_of(const stored_tensor& t) {
  const auto rows = static_cast<std::int64_t>(t.dims[0]);
  std::vector<float> values(static_cast<std::size_t>(rows * t.columns()));
  t.with_rows(t.columns(), [&](const row_source& from) { from.read(0, rows, values.data()); });
  return values;
}
float rounded(double x) { return to_float(from_float<f16>(static_cast<float>(x))); }

/// A folder of test data with a config.json, which the test data lack.
std::string with_config(const temporary_folder& f, const std::string& name) {
  std::filesystem::copy(data + name, f / name);
  std::ofstream(f / (name + "/config.json")) << R"({"model_type": "llava", "torch_dtype": "float32"})";
  return f / name;
}

}  // namespace

TEST_CASE("a delta is applied as LLaVA's apply_delta does") {
  temporary_folder f("apply");
  const auto done = try_apply_delta(with_config(f, "tiny-delta-v0"), data + "base", f / "model");
  if (!done) FAIL(done.error().what());
  const auto written = safetensors_folder::try_open(f / "model"),
             expected = safetensors_folder::try_open(data + "target");
  REQUIRE((written && expected));
  std::size_t count = 0;
  expected->for_each([&](const stored_tensor& t) {
    INFO(t.name);
    const stored_tensor* own = written->find(t.name);
    REQUIRE(own);
    CHECK((own->type == dtype::float16 && own->dims == t.dims));
    CHECK(values_of(*own) == values_of(t));
    ++count;
  });
  CHECK(count == 14);
  CHECK(f.read("model/config.json").find("\"float16\"") != std::string::npos);
}

TEST_CASE("a delta is the difference in f16, with new rows and the projector as they are") {
  temporary_folder f("make");
  const std::string model = with_config(f, "target");
  const auto done = try_make_delta(model, data + "base", f / "target-delta");
  if (!done) FAIL(done.error().what());
  const auto target = try_open_tensors(model), base = try_open_tensors(data + "base"),
             written = try_open_tensors(f / "target-delta");
  REQUIRE((target && base && written));
  std::size_t differences = 0, kept = 0;
  (*target)->for_each([&](const stored_tensor& t) {
    INFO(t.name);
    const stored_tensor *delta = (*written)->find(t.name), *b = (*base)->find(t.name);
    REQUIRE(delta);
    std::vector<float> expected = values_of(t), below = b ? values_of(*b) : std::vector<float>();
    for (std::size_t i = 0; i < expected.size(); ++i)
      expected[i] =
          rounded(double{rounded(double{expected[i]})} - (i < below.size() ? double{rounded(double{below[i]})} : 0.));
    CHECK(values_of(*delta) == expected);
    b ? ++differences : ++kept;
  });
  CHECK(differences > 5);
  CHECK(kept > 0);
}

TEST_CASE("a model that is not of this base has no delta") {
  temporary_folder f("no_delta");
  const std::string model = with_config(f, "target");
  f.write("other/config.json", "{}");
  const auto error_of = [&](const std::string& base) {
    const auto done = try_make_delta(model, base, f / "new");
    return done ? std::string() : done.error().sentence();
  };
  std::filesystem::copy(data + "values.safetensors", f / "other/model.safetensors");
  CHECK(error_of(f / "other")
            .find(" has no difference from a base: its base has no tensor of this name; is this the base that the "
                  "model was "
                  "trained from?") != std::string::npos);
  f.write("model.gguf", "");
  CHECK(error_of(f / "model.gguf").find("is a GGUF model; deltas are made of folders") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(f / "new"));
}
