// SPDX-License-Identifier: Apache-2.0
/// Weights in blocks through the whole pipeline: quantised when opened, in a folder of their own, kept in a packed file.
#include "tiny_model.hpp"

#include <llava/pipeline/quantise.hpp>
#include <temporary_folder.hpp>

namespace {

using namespace llava;

/// All linears in 8 bits but the head: the vision tower and the projector too.
struct all_8_bit : weights<q8_0> {
  using vision = q8_0;
  using projector = q8_0;
};
using model_8 = pipeline<any, simd, all_8_bit>;

template <class Model>
std::vector<float> logits_of(const std::string& folder, const open_options& options = tiny::options()) {
  auto model = Model::try_open(folder, options);
  if (!model) FAIL(model.error().what());
  auto chat = model->session();
  const image pictures[] = {tiny::picture(3)};
  auto logits = chat.try_logits("USER: <image>\nHow many shapes are there? ASSISTANT:", pictures);
  if (!logits) FAIL(logits.error().what());
  return *std::move(logits);
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  double most = 0, scale = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    most = std::max(most, static_cast<double>(std::fabs(a[i] - b[i])));
    scale = std::max(scale, static_cast<double>(std::fabs(b[i])));
  }
  return most / scale;
}

}  // namespace

TEST_CASE("quantise: a folder opens as what its weights became, with the logits of quantising when opened",
          "[pipeline]") {
  temporary_folder f("quantise");
  const auto done = try_quantise<any, scalar, all_8_bit>(tiny::folder, f / "made");
  if (!done) FAIL(done.error().what());
  CHECK(std::filesystem::exists(f / "made/tokenizer.model"));
  CHECK(std::filesystem::exists(f / "made/preprocessor_config.json"));
  const std::vector<float> stored = logits_of<model_8>(f / "made"), loaded = logits_of<model_8>(tiny::folder);
  CHECK(stored == loaded);
  CHECK(largest_difference(stored, logits_of<tiny::model_type>(tiny::folder)) < 0.05);

  // Opened as 16 bits: every tensor that is not, with what to do, at once.
  const auto wrong = tiny::model_type::try_open(f / "made", tiny::options());
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().code() == errc::mismatch);
  CHECK(wrong.error().sentence().find("open the model with weights of q8_0") != std::string::npos);
}

TEST_CASE("quantise: a place that is taken, an end on request, and a broken folder leave nothing", "[pipeline]") {
  temporary_folder f("quantise_errors");
  f.write("taken/file", "mine");
  const auto taken = try_quantise<any, scalar, q8_0>(tiny::folder, f / "taken");
  REQUIRE_FALSE(taken);
  CHECK(taken.error().sentence().find("is there already") != std::string::npos);
  CHECK(f.read("taken/file") == "mine");

  open_options stops;
  stops.report = [calls = 0](const progress&) mutable { return ++calls < 5; };
  const auto ended = try_quantise<any, scalar, q4_0>(tiny::folder, f / "ended", stops);
  REQUIRE_FALSE(ended);
  CHECK(ended.error().code() == errc::cancelled);

  f.copy(tiny::folder);
  std::filesystem::remove(f / "model.safetensors");
  CHECK_FALSE(try_quantise<any, scalar, q4_0>(f.path.string(), f / "broken"));
  CHECK_FALSE(std::filesystem::exists(f / "broken"));
  for (const auto& entry : std::filesystem::directory_iterator(f.path))
    CHECK(entry.path().filename().string().find(".partial") == std::string::npos);
}

TEST_CASE("quantise: dense types are converted, the file that results is the same model", "[pipeline]") {
  temporary_folder f("quantise_dense");
  const auto done = try_quantise<any, scalar, f32>(tiny::folder, f / "made");
  if (!done) FAIL(done.error().what());
  CHECK(std::filesystem::file_size(f / "made/model.safetensors") >
        std::filesystem::file_size(tiny::folder + "/model.safetensors") * 3 / 2);
  CHECK(logits_of<tiny::model_type>(f / "made") == logits_of<tiny::model_type>(tiny::folder));
}

TEST_CASE("a packed file is written once, mapped afterwards, and replaced when damaged or of other weights",
          "[pipeline]") {
  temporary_folder f("packed");
  open_options options = tiny::options();
  options.packed_file = f / "weights.packed";
  const std::vector<float> expected = logits_of<model_8>(tiny::folder);
  CHECK(logits_of<model_8>(tiny::folder, options) == expected);
  const std::string kept = f.read("weights.packed");
  REQUIRE(kept.size() > 100000);
  const auto written = std::filesystem::last_write_time(options.packed_file);
  CHECK(logits_of<model_8>(tiny::folder, options) == expected);
  CHECK(std::filesystem::last_write_time(options.packed_file) == written);

  // One bit, in the middle and in the header; a file that ends early; another file.
  for (const std::size_t at : {kept.size() / 2, std::size_t{100}}) {
    std::string damaged = kept;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    f.write("weights.packed", damaged);
    CHECK(logits_of<model_8>(tiny::folder, options) == expected);
    CHECK(f.read("weights.packed") == kept);
  }
  for (const std::string& other : {kept.substr(0, kept.size() / 3), std::string("not a file of ours"), std::string()}) {
    f.write("weights.packed", other);
    CHECK(logits_of<model_8>(tiny::folder, options) == expected);
    CHECK(f.read("weights.packed") == kept);
  }
  // The same file, for weights that have changed.
  std::filesystem::create_directory(f / "changed");
  std::filesystem::copy(tiny::folder, f / "changed", std::filesystem::copy_options::recursive);
  CHECK(logits_of<model_8>(f / "changed", options) == expected);
  CHECK(f.read("weights.packed") != kept);

  options.packed_file = f / "no/such/folder/weights.packed";
  const auto refused = model_8::try_open(tiny::folder, options);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == errc::io);
}
