// SPDX-License-Identifier: Apache-2.0
/// Folders whose weights are files of torch give the same model as folders of safetensors.
#include <llava/checkpoint/safetensors.hpp>
#include <llava/pipeline/quantise.hpp>
#include <temporary_folder.hpp>
#include <torch_writer.hpp>

#include "tiny_model.hpp"

namespace {

using namespace llava;

const std::string original = LLAVA_TEST_DATA "/goldens/original_folder";

std::vector<float> logits_of(const std::string& folder, const open_options& options = tiny::options()) {
  const auto model = tiny::open_folder(folder, options);
  const image images[] = {tiny::test_image(3)};
  auto logits = model.session().try_logits("USER: <image>\nWhat is this? ASSISTANT:", images);
  if (!logits) FAIL(logits.error().what());
  return *std::move(logits);
}

/// The tensors of a folder, each in a storage of its own. Matrices whose name has `transposed` are stored as columns.
std::vector<torch_writer::tensor> tensors_of(const std::string& folder, std::string_view transposed = "") {
  const auto from = safetensors_folder::try_open(folder);
  REQUIRE(from);
  std::vector<torch_writer::tensor> all;
  from->for_each([&](const stored_tensor& t) {
    torch_writer::tensor made{t.name, "", std::to_string(all.size())};
    made.type = t.type == dtype::float32   ? "FloatStorage"
                : t.type == dtype::float16 ? "HalfStorage"
                                           : "BFloat16Storage";
    REQUIRE(name_of(t.type).find('f') != std::string_view::npos);
    const std::size_t size = size_of(t.type);
    made.elements = static_cast<std::int64_t>(t.bytes.size() / size);
    made.data.assign(reinterpret_cast<const char*>(t.bytes.data()), t.bytes.size());
    made.sizes.assign(t.dims.begin(), t.dims.end());
    made.strides.assign(t.dims.size(), 1);
    for (std::size_t i = t.dims.size(); i-- > 1;) made.strides[i - 1] = made.strides[i] * made.sizes[i];
    if (!transposed.empty() && t.dims.size() == 2 && t.name.find(transposed) != std::string::npos) {
      const std::size_t rows = t.dims[0], columns = t.dims[1];
      for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t c = 0; c < columns; ++c)
          made.data.replace((c * rows + r) * size, size,
                            reinterpret_cast<const char*>(t.bytes.data()) + (r * columns + c) * size, size);
      made.strides = {1, made.sizes[0]};
    }
    all.push_back(std::move(made));
  });
  return all;
}

/// A copy of `original` without its weights.
void copy_without_weights(const temporary_folder& f) {
  std::filesystem::copy(original, f.path, std::filesystem::copy_options::recursive);
  for (const char* file : {"model.safetensors", "tower/model.safetensors", "golden.safetensors", "golden.json"})
    std::filesystem::remove(f / file);
}

}  // namespace

TEST_CASE("pytorch_model.bin, in either form, in shards and with columns stored, gives the logits of safetensors",
          "[pipeline]") {
  const std::vector<float> expected = logits_of(original);
  temporary_folder f("torch_zip");
  copy_without_weights(f);
  f.write("pytorch_model.bin", torch_writer::torch_zip(tensors_of(original)));
  f.write("tower/pytorch_model.bin", torch_writer::torch_legacy(tensors_of(original + "/tower")));
  f.write("mm_projector.bin", "another file, which is not read");
  CHECK(logits_of(f.path.string()) == expected);

  f.write("pytorch_model.bin", torch_writer::torch_zip(tensors_of(original, "_proj.weight")));
  CHECK(logits_of(f.path.string()) == expected);

  std::filesystem::remove(f / "pytorch_model.bin");
  const std::vector<torch_writer::tensor> all = tensors_of(original);
  const auto middle = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
  std::string index;
  for (auto t = all.begin(); t != all.end(); ++t)
    index += text_of(index.empty() ? "" : ",", "\"", t->name, "\":\"pytorch_model-0000", t < middle ? 1 : 2, ".bin\"");
  f.write("pytorch_model-00001.bin", torch_writer::torch_legacy({all.begin(), middle}));
  f.write("pytorch_model-00002.bin", torch_writer::torch_legacy({middle, all.end()}));
  f.write("pytorch_model.bin.index.json", "{\"weight_map\":{" + index + "}}");
  CHECK(logits_of(f.path.string()) == expected);

  f.write("model.safetensors", "safetensors come first, as in transformers");
  const auto opened = tiny::model_type::try_open(f.path.string(), tiny::options());
  REQUIRE_FALSE(opened);
  CHECK(opened.error().sentence().find("model.safetensors: its header has") != std::string::npos);
}

TEST_CASE("quantise reads torch's files, with a tower in them, and writes safetensors", "[pipeline]") {
  temporary_folder f("torch_quantise");
  copy_without_weights(f);
  f.write("pytorch_model.bin", torch_writer::torch_zip(tensors_of(original, "o_proj.weight")));
  f.write("tower/pytorch_model.bin", torch_writer::torch_zip(tensors_of(original + "/tower")));
  temporary_folder made("torch_quantised");
  for (const auto& [from, to] : {std::pair(original, made / "one"), std::pair(f.path.string(), made / "two")})
    if (const auto done = try_quantise<any, scalar, q8_0>(from, to); !done) FAIL(done.error().what());
  CHECK(made.read("one/model.safetensors") == made.read("two/model.safetensors"));
  CHECK(std::filesystem::exists(made / "two/tower/pytorch_model.bin"));
  CHECK_FALSE(std::filesystem::exists(made / "two/pytorch_model.bin"));
}

TEST_CASE("the error for a folder without weights names the files that could hold them") {
  temporary_folder f("torch_none");
  copy_without_weights(f);
  const auto error_of = [&] {
    const auto opened = tiny::model_type::try_open(f.path.string(), tiny::options());
    return opened ? std::string() : opened.error().sentence();
  };
  CHECK(error_of().find("has no model.safetensors, model.safetensors.index.json, pytorch_model.bin or "
                        "pytorch_model.bin.index.json") != std::string::npos);
  f.write("pytorch_model.bin", torch_writer::torch_zip({}));
  CHECK(error_of().find("tower has no model.safetensors, ") != std::string::npos);
  f.write("tower/pytorch_model.bin", torch_writer::torch_zip(tensors_of(original + "/tower")));
  CHECK(error_of().find(".weight: missing, expected ") != std::string::npos);
}
