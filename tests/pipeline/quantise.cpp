// SPDX-License-Identifier: Apache-2.0
/// Block weights in the whole pipeline: quantised when opened, stored in a folder of their own, kept in a packed file.
#include "tiny_model.hpp"

#include <closeness.hpp>
#include <llava/checkpoint/describe.hpp>
#include <llava/checkpoint/rows_as_f16.hpp>
#include <llava/checkpoint/safetensors.hpp>
#include <llava/pipeline/quantise.hpp>
#include <temporary_folder.hpp>

namespace {

using namespace llava;

/// All linears in 8 bits except the head, including the vision tower and the projector.
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
  const image images[] = {tiny::test_image(3)};
  auto logits = chat.try_logits("USER: <image>\nHow many shapes are there? ASSISTANT:", images);
  if (!logits) FAIL(logits.error().what());
  return *std::move(logits);
}

/// Writes the bundled model to `folder`, its tensors in f32 after change(name, dims, values).
template <class Change>
void write_changed(const temporary_folder& folder, Change&& change) {
  std::filesystem::copy(tiny::folder, folder.path,
                        std::filesystem::copy_options::recursive | std::filesystem::copy_options::overwrite_existing);
  std::filesystem::remove(folder / "model.safetensors");
  const auto from = safetensors_folder::try_open(tiny::folder);
  REQUIRE(from);
  std::vector<safetensors_plan> plan;
  from->for_each([&](const stored_tensor& t) { plan.push_back({t.name, dtype::float32, t.dims, {}}); });
  auto to = safetensors_writer::try_create(folder / "model.safetensors", plan);
  REQUIRE(to);
  from->for_each([&](const stored_tensor& t) {
    std::vector<float> values(t.bytes.size() / size_of(t.type));
    llava::stored_rows({t.type, t.bytes.data()}, 1).read(0, static_cast<std::int64_t>(values.size()), values.data());
    change(t.name, t.dims, values);
    REQUIRE(to->try_write(std::as_bytes(std::span<const float>(values))));
  });
  REQUIRE(to->try_finish());
}

/// Cosine of the image features in 8 bits and in f32, for one folder.
double features_cosine(const std::string& folder) {
  const auto exact = pipeline<any, simd, weights<f32>>::try_open(folder, tiny::options());
  const auto small = model_8::try_open(folder, tiny::options());
  REQUIRE((exact && small));
  return cosine(*small->try_features(tiny::test_image(3)), *exact->try_features(tiny::test_image(3)));
}

}  // namespace

TEST_CASE("a folder cannot be written in nf4, which has no rows of its own") {
  const temporary_folder f("nf4");
  const auto made = try_quantise<any, simd, nf4>(tiny::folder, (f.path / "made").string());
  REQUIRE_FALSE(made);
  INFO(made.error().what());
  CHECK(made.error().sentence().find(
            "nf4 encodes whole matrices, which no folder holds; open the model in nf4 instead") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(f.path / "made"));
}

TEST_CASE("R16: image features in 8 bits keep their direction, with outlier channels and tokens too", "[pipeline]") {
  CHECK(features_cosine(tiny::folder) >= 0.999);

  // The same function with every 29th channel of the activations 10 or 30 times larger: norms are scaled up, the
  // columns of the linears that read them are scaled down.
  for (const float factor : {10.f, 30.f}) {
    INFO("channels " << factor);
    temporary_folder f("outliers");
    write_changed(f, [&](const std::string& name, const std::vector<std::size_t>& dims, std::vector<float>& values) {
      const auto has = [&](const char* part) { return name.find(part) != std::string::npos; };
      if (!has("vision_tower") || !has("layers.")) return;
      const bool norm = has("layer_norm"),
                 reads = has("q_proj.weight") || has("k_proj.weight") || has("v_proj.weight") || has("fc1.weight");
      if (!norm && !reads) return;
      const std::size_t width = dims.back();
      for (std::size_t i = 0; i < values.size(); ++i)
        if (i % width % 29 == 5) values[i] = norm ? values[i] * factor : values[i] / factor;
    });
    CHECK(features_cosine(f.path.string()) >= 0.995);
  }
  // Two tokens that are 30 times as large as the others from the start.
  temporary_folder f("massive");
  write_changed(f, [&](const std::string& name, const std::vector<std::size_t>& dims, std::vector<float>& values) {
    if (name.find("position_embedding.weight") == std::string::npos) return;
    for (const std::size_t token : {std::size_t{3}, std::size_t{17}})
      for (std::size_t i = 0; i < dims[1]; ++i) values[token * dims[1] + i] *= 30.f;
  });
  CHECK(features_cosine(f.path.string()) >= 0.995);
}

TEST_CASE("R15: with q16_0 in every stage logits meet the bound of 16-bit weights, image features that of f32",
          "[pipeline]") {
  using exact_model = pipeline<any, simd, weights<f32>>;
  using model_16 = pipeline<any, simd, weights<q16_0>>;
  const auto exact = exact_model::try_open(tiny::folder, tiny::options());
  const auto small = model_16::try_open(tiny::folder, tiny::options());
  REQUIRE((exact && small));
  CHECK(cosine(*small->try_features(tiny::test_image(3)), *exact->try_features(tiny::test_image(3))) >= 0.9999);
  CHECK(largest_error(logits_of<model_16>(tiny::folder), logits_of<exact_model>(tiny::folder)) <= 2e-3);
}

TEST_CASE("quantise: the new folder opens in its format, with the logits of quantising when opened", "[pipeline]") {
  temporary_folder f("quantise");
  const auto done = try_quantise<any, scalar, all_8_bit>(tiny::folder, f / "made");
  if (!done) FAIL(done.error().what());
  CHECK(std::filesystem::exists(f / "made/tokenizer.model"));
  CHECK(std::filesystem::exists(f / "made/preprocessor_config.json"));
  CHECK_FALSE(std::filesystem::exists(f / "made/images"));  // other folders are not copied
  const std::vector<float> stored = logits_of<model_8>(f / "made"), loaded = logits_of<model_8>(tiny::folder);
  CHECK(stored == loaded);
  CHECK(largest_error(stored, logits_of<tiny::model_type>(tiny::folder)) < 0.05);

  // Opened as 16 bits, the error names all tensors in other formats and what to do.
  const auto wrong = tiny::model_type::try_open(f / "made", tiny::options());
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().code() == errc::mismatch);
  CHECK(wrong.error().sentence().find("open the model with weights of q8_0") != std::string::npos);
}

TEST_CASE("quantise: a path that exists, a cancellation and a broken folder leave nothing behind", "[pipeline]") {
  temporary_folder f("quantise_errors");
  f.write("taken/file", "mine");
  const auto taken = try_quantise<any, scalar, q8_0>(tiny::folder, f / "taken");
  REQUIRE_FALSE(taken);
  CHECK(taken.error().sentence().find("already exists") != std::string::npos);
  CHECK(f.read("taken/file") == "mine");
  std::filesystem::create_directory(f / "empty");
  std::filesystem::create_directory_symlink(f / "empty", f / "link");
  const auto filled = try_quantise<any, scalar, q8_0>(tiny::folder, f / "link");
  if (!filled) FAIL(filled.error().what());
  CHECK(std::filesystem::is_symlink(f / "link"));
  CHECK(std::filesystem::exists(f / "empty/model.safetensors"));

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

TEST_CASE("quantise: a tower below the folder is copied, and tensors that nothing reads are an error", "[pipeline]") {
  temporary_folder f("quantise_tower");
  const std::string original = LLAVA_TEST_DATA "/goldens/original_folder";
  const auto done = try_quantise<any, scalar, weights<f32>>(original, f / "made");
  if (!done) FAIL(done.error().what());
  CHECK(logits_of<tiny::model_type>(f / "made") == logits_of<tiny::model_type>(original));

  std::filesystem::copy(LLAVA_TEST_DATA "/goldens/clip_mha", f / "odd");
  f.write("odd/model.safetensors",
          replaced(f.read("odd/model.safetensors"), "vision_model.encoder.layers.0.layer_norm1.bias",
                   "vision_model.encoder.layers.0.layer_norm1.bios"));
  const auto refused = try_quantise<any, scalar, q8_0>(f / "odd", f / "refused");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().sentence().find("layer_norm1.bios: is in ") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(f / "refused"));
}

TEST_CASE("quantise: dense types are converted, and the resulting file is the same model", "[pipeline]") {
  temporary_folder f("quantise_dense");
  const auto done = try_quantise<any, scalar, f32>(tiny::folder, f / "made");
  if (!done) FAIL(done.error().what());
  CHECK(std::filesystem::file_size(f / "made/model.safetensors") >
        std::filesystem::file_size(tiny::folder + "/model.safetensors") * 3 / 2);
  CHECK(logits_of<tiny::model_type>(f / "made") == logits_of<tiny::model_type>(tiny::folder));
}

TEST_CASE("a packed file is written once, mapped afterwards, and replaced when damaged, not when of other weights",
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

  // One flipped bit, in the middle and in the header, and a truncated file.
  for (const std::size_t at : {kept.size() / 2, std::size_t{100}}) {
    std::string damaged = kept;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    f.write("weights.packed", damaged);
    CHECK(logits_of<model_8>(tiny::folder, options) == expected);
    CHECK(f.read("weights.packed") == kept);
  }
  f.write("weights.packed", kept.substr(0, kept.size() / 3));
  CHECK(logits_of<model_8>(tiny::folder, options) == expected);
  CHECK(f.read("weights.packed") == kept);
  // A file of another kind is kept.
  f.write("notes", "not a file of ours");
  options.packed_file = f / "notes";
  const auto not_ours = model_8::try_open(tiny::folder, options);
  REQUIRE_FALSE(not_ours);
  CHECK(not_ours.error().sentence().find("is not a file of packed weights") != std::string::npos);
  CHECK(f.read("notes") == "not a file of ours");
  options.packed_file = f / "weights.packed";
  // The same packed file, for a copy of the model: its identity differs.
  std::filesystem::create_directory(f / "changed");
  std::filesystem::copy(tiny::folder, f / "changed", std::filesystem::copy_options::recursive);
  const auto of_copy = model_8::try_open(f / "changed", options);
  REQUIRE_FALSE(of_copy);
  CHECK(of_copy.error().code() == errc::mismatch);
  CHECK(of_copy.error().sentence().find(options.packed_file + " holds packed weights of another model") !=
        std::string::npos);
  // The same packed file, for another format.
  const auto in_16_bits = pipeline<any, simd, weights<q16_0>>::try_open(tiny::folder, options);
  REQUIRE_FALSE(in_16_bits);
  CHECK(in_16_bits.error().sentence().find(" as q8_0, expected q16_0; give another name") != std::string::npos);
  CHECK(f.read("weights.packed") == kept);

  options.packed_file = f / "no/such/folder/weights.packed";
  const auto refused = model_8::try_open(tiny::folder, options);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == errc::not_found);
}

TEST_CASE("two models whose files have equal size and time do not use each other's packed file", "[pipeline]") {
  temporary_folder one("packed_one"), two("packed_two"), kept("packed_kept");
  const auto change_by = [](float factor) {
    return [=](const std::string& name, const std::vector<std::size_t>&, std::vector<float>& values) {
      if (name.find("down_proj") != std::string::npos)
        for (float& v : values) v *= factor;
    };
  };
  write_changed(one, change_by(1.f));
  write_changed(two, change_by(-1.f));
  for (const temporary_folder* f : {&one, &two})
    std::filesystem::last_write_time(*f / "model.safetensors",
                                     std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
  std::filesystem::last_write_time(two / "model.safetensors",
                                   std::filesystem::last_write_time(one / "model.safetensors"));
  open_options options = tiny::options();
  options.packed_file = kept / "weights.packed";
  const std::vector<float> of_one = logits_of<model_8>(one.path.string()),
                           of_two = logits_of<model_8>(two.path.string());
  REQUIRE(of_one != of_two);
  CHECK(logits_of<model_8>(one.path.string(), options) == of_one);
  CHECK_FALSE(model_8::try_open(two.path.string(), options));
  CHECK(logits_of<model_8>(one.path.string(), options) == of_one);
}

TEST_CASE("a quantised original folder keeps its model's name, and with it its prompts") {
  temporary_folder f("named");
  const std::string from = f / "llava-v1.5-\"tiny\"", to = f / "q4", again = f / "q8";
  std::filesystem::copy(LLAVA_TEST_DATA "/goldens/original_inside", from, std::filesystem::copy_options::recursive);
  const auto done = try_quantise<any, scalar, q8_0>(from, to), twice = try_quantise<any, scalar, q8_0>(to, again);
  if (!done) FAIL(done.error().what());
  if (!twice) FAIL(twice.error().what());
  for (const std::string& folder : {from, to, again}) {
    const auto d = try_describe_model(folder);
    REQUIRE(d);
    CHECK(d->model_name == "llava-v1.5-\"tiny\"");
    CHECK(d->conversation.name == "llava_v1");
    CHECK_FALSE(d->conversation.guessed);
  }
  CHECK(try_describe_model(to)->conversation.reason.find("config.json says llava_model_name") == 0);
  const std::string config = f.read("q4/config.json");
  CHECK(config == f.read("q8/config.json"));  // written once
  CHECK(replaced(config, "\n  \"llava_model_name\": \"llava-v1.5-\\\"tiny\\\"\",", "") ==
        f.read("llava-v1.5-\"tiny\"/config.json"));
}

TEST_CASE("quantise: a folder that bitsandbytes has quantised becomes one that is not", "[pipeline]") {
  temporary_folder f("quantise_bits");
  const std::string from = LLAVA_TEST_DATA "/goldens/bitsandbytes_nf4";
  const auto done = try_quantise<any, scalar, weights<f32>>(from, f / "made");
  if (!done) FAIL(done.error().what());
  const std::string before = temporary_folder("bits").copy(from).read("config.json"),
                    after = f.read("made/config.json");
  CHECK(before.find("quantization_config") != std::string::npos);
  CHECK(after == without_members(before, "quantization_config"));
  CHECK(after.size() < before.size());
  const auto made = safetensors_folder::try_open(f / "made");
  REQUIRE(made);
  made->for_each([](const stored_tensor& t) {
    INFO(t.name);
    CHECK(is_float(t));
  });
  const auto logits = [](const std::string& folder) {
    return *tiny::open_folder(folder).session().try_logits("USER: Hello ASSISTANT:", {});
  };
  CHECK(logits(f / "made") == logits(from));
}

TEST_CASE("quantise: a computed tensor whose rows have no elements is written", "[pipeline]") {
  temporary_folder f("quantise_empty");
  const std::string delta = f / "LLaVA-delta", below = f / "base";
  for (const std::string& folder : {delta, below}) {
    std::filesystem::copy(LLAVA_TEST_DATA "/goldens/original_folder", folder, std::filesystem::copy_options::recursive);
    const std::string name = std::filesystem::path(folder).filename().string() + "/model.safetensors";
    const std::string file = f.read(name),
                      added = R"("rotary_emb.inv_freq":{"dtype":"F32","shape":[2,0],"data_offsets":[0,0]},)";
    std::uint64_t length = 0;
    std::memcpy(&length, file.data(), 8);
    const std::string header = "{" + added + file.substr(9, length - 1);
    std::string bytes(8, '\0');
    length = header.size();
    std::memcpy(bytes.data(), &length, 8);
    f.write(name, bytes + header + file.substr(8 + (header.size() - added.size())));
  }
  open_options options = tiny::options();
  options.model_base = below;
  const auto done = try_quantise<any, scalar, q8_0>(delta, f / "made", options);
  if (!done) FAIL(done.error().what());
  const auto made = safetensors_folder::try_open(f / "made");
  REQUIRE(made);
  CHECK(made->find("rotary_emb.inv_freq")->dims == std::vector<std::size_t>{2, 0});
}
