// SPDX-License-Identifier: Apache-2.0
// Weights that GPTQ and AWQ have quantised, as auto-gptq, auto-round and AutoAWQ save them
// (tests/oracle/gptq_awq_save.py).
#include <llava/checkpoint/checkpoint.hpp>
#include <llava/checkpoint/describe.hpp>
#include <llava/checkpoint/gptq_awq.hpp>
#include <llava/checkpoint/safetensors.hpp>
#include <llava_catch.hpp>
#include <refuse_each.hpp>
#include <temporary_folder.hpp>
#include <torch_writer.hpp>

using namespace llava;

namespace {

const std::string data = LLAVA_TEST_DATA "/gptq_awq/";

std::unique_ptr<const tensor_source> opened(const std::string& folder) {
  auto files = try_open_tensors(folder);
  if (!files) FAIL(files.error().what());
  return *std::move(files);
}
std::vector<float> values_of(const stored_tensor& t) {
  std::vector<float> all(t.dims[0] * t.dims[1]);
  t.with_rows(t.columns(),
              [&](const row_source& from) { from.read(0, static_cast<std::int64_t>(t.dims[0]), all.data()); });
  return all;
}
/// The sentence of the error when a folder's tensors are opened; empty: none.
std::string error_of(const temporary_folder& f) {
  const auto files = try_open_tensors(f.path.string());
  return files ? std::string() : files.error().sentence();
}
/// A folder of GPTQ or AWQ with changes, each of equal length in model.safetensors.
struct change {
  std::string_view form, file, from, to;
  std::string fragment;
};

}  // namespace

TEST_CASE("gptq, awq: weights have the values that auto-gptq, auto-round and AutoAWQ compute in f16, bit for bit") {
  int weights = 0;
  for (const std::string form : {"gptq_2", "gptq_3", "gptq_4", "gptq_8", "gptq_4_column", "gptq_2_v2", "gptq_3_v2",
                                 "gptq_4_v2", "gptq_8_v2", "awq"}) {
    const auto files = opened(data + form);
    for (const std::string layer : {"plain", "wide", "ordered", "zeros"}) {
      const stored_tensor *found = files->find(layer + ".weight"), *expected = files->find("expected." + layer);
      CHECK((found == nullptr) == (expected == nullptr));
      if (!found || !expected) continue;
      INFO(form << " " << layer);
      ++weights;
      CHECK(found->name == layer + ".weight");
      CHECK(found->dims == expected->dims);
      CHECK(found->type == dtype::float16);
      CHECK(found->packed_as == (form == "awq" ? "awq, 4 bits" : text_of("gptq, ", form.substr(5, 1), " bits")));
      REQUIRE(found->rows);
      const std::vector<float> all = values_of(*found);
      std::vector<float> alone(all.size());
      for (std::size_t r = 0; r < found->dims[0]; ++r)
        found->rows->read(static_cast<std::int64_t>(r), 1, alone.data() + r * found->dims[1]);
      CHECK(std::memcmp(alone.data(), all.data(), 4 * all.size()) == 0);
      const std::vector<float> computed = values_of(*expected);
      // f16 has a zero with a sign; the programs' products have the same one.
      CHECK(std::memcmp(all.data(), computed.data(), 4 * all.size()) == 0);
      float largest = 0;
      for (const float x : all) largest = (std::max)(largest, std::abs(x));
      CHECK(largest > 1.f);
    }
  }
  CHECK(weights == 16);
}

TEST_CASE("gptq, awq: the parts of a weight are hidden, and other tensors stay as they are") {
  std::vector<std::string> names;
  const auto files = opened(data + "gptq_4");
  files->for_each([&](const stored_tensor& t) {
    CHECK(files->find(t.name) == &t);
    if (!t.name.starts_with("expected.")) names.push_back(t.name);
  });
  std::sort(names.begin(), names.end());
  CHECK(names ==
        std::vector<std::string>{"norm.weight", "ordered.weight", "plain.bias", "plain.weight", "zeros.weight"});
  for (const char* part : {"plain.qweight", "plain.qzeros", "plain.scales", "plain.g_idx"})
    CHECK_FALSE(files->find(part));
  CHECK(files->find("plain.weight")->stored_bytes == 8 * 32 * 4 + 2 * 4 * 4 + 2 * 32 * 2 + 64 * 4);
  CHECK(files->find("norm.weight")->bytes.size() == 8 * sizeof(float));
}

TEST_CASE("gptq: a zero of 0, which GPTQModel stores in the first form by borrowing, is read as 0") {
  // GPTQModel subtracts 1 from all codes of a word at once, and a 0 borrows from the next code.
  const auto zeros_of = [](int bits, std::uint32_t stored) {
    const std::int64_t columns = 32 / bits;
    std::vector<std::uint32_t> codes(static_cast<std::size_t>(columns), 0);
    std::vector<float> scales(static_cast<std::size_t>(columns), 1.f);
    grouped_code_rows::parts p;
    p.rows = columns, p.columns = columns, p.group = columns, p.bits = bits, p.zeros_minus_one = true;
    p.type = dtype::float32;
    p.codes = reinterpret_cast<const std::byte*>(codes.data());
    p.zeros = reinterpret_cast<const std::byte*>(&stored), p.scales = reinterpret_cast<const std::byte*>(scales.data());
    std::vector<int> zeros;
    std::vector<float> row(static_cast<std::size_t>(columns));
    for (std::int64_t n = 0; n < columns; ++n) {
      grouped_code_rows(p).read(n, 1, row.data());
      zeros.push_back(static_cast<int>(-row[0]));
    }
    return zeros;
  };
  CHECK(zeros_of(4, 0x87654320u - 0x11111111u) == std::vector<int>{0, 2, 3, 4, 5, 6, 7, 8});
  CHECK(zeros_of(8, 0x04030005u - 0x01010101u) == std::vector<int>{5, 0, 3, 4});
  CHECK(zeros_of(2, 0x1b1b1b1bu - 0x55555555u) == std::vector<int>{3, 2, 1, 0, 3, 2, 1, 0, 3, 2, 1, 0, 3, 2, 1, 0});
}

TEST_CASE("gptq: scales of bf16 and f32 give values of their type") {
  const std::uint32_t codes[1] = {0x87654321u}, zeros[1] = {0};
  std::uint32_t codes8[8];
  std::fill(codes8, codes8 + 8, codes[0]);
  float scales32[8];
  bf16 scales16[8];
  for (int n = 0; n < 8; ++n) scales32[n] = .3f, scales16[n] = from_float<bf16>(.3f);
  grouped_code_rows::parts p;
  p.rows = 8, p.columns = 8, p.group = 8, p.codes = reinterpret_cast<const std::byte*>(codes8);
  p.zeros = reinterpret_cast<const std::byte*>(zeros);
  float row[8];
  p.type = dtype::float32, p.scales = reinterpret_cast<const std::byte*>(scales32);
  grouped_code_rows(p).read(3, 1, row);
  for (int k = 0; k < 8; ++k) CHECK(row[k] == .3f * static_cast<float>(k + 1));
  p.type = dtype::bfloat16, p.scales = reinterpret_cast<const std::byte*>(scales16);
  grouped_code_rows(p).read(7, 1, row);
  for (int k = 0; k < 8; ++k)
    CHECK(row[k] == to_float(from_float<bf16>(to_float(scales16[0]) * static_cast<float>(k + 1))));
}

TEST_CASE("gptq, awq: parts that do not fit are errors that name the file and the tensor") {
  const std::string_view model = "model.safetensors", config = "config.json";
  const change cases[] = {
      {"gptq_4", model, R"("plain.scales")", R"("plain.scelas")",
       "plain.qweight: gptq, 4 bits, but plain.scales is missing"},
      {"gptq_4", model, R"("plain.qzeros")", R"("plain.qzaras")", "but plain.qzeros is missing"},
      {"gptq_4", model, R"("plain.g_idx")", R"("plain.g_adx")", "but plain.g_idx is missing"},
      {"gptq_4", model, R"("plain.qweight")", R"("plain.gweight")", "it is no part of a weight of gptq, 4 bits"},
      {"awq", model, R"("plain.qzeros")", R"("plain.qzaras")",
       "plain.qweight: awq, 4 bits, but plain.qzeros is missing"},
      {"gptq_4", model, R"("expected.plain":)", R"("plain.weight"  :)", "plain.weight is there too"},
      {"gptq_4", model, R"("plain.qweight":{"dtype":"I32")", R"("plain.qweight":{"dtype":"F32")",
       "plain.qweight: expected a matrix of i32"},
      {"gptq_4", model, R"("plain.scales":{"dtype":"F16","shape":[2,32])",
       R"("plain.scales":{"dtype":"F16","shape":[32,2])",
       "plain.scales: expected f16, bf16 or f32 of shape (2, 32) for gptq, 4 bits and group_size 32 (config.json), "
       "found "
       "f16 of shape (32, 2)"},
      {"gptq_4", model, R"("plain.qzeros":{"dtype":"I32","shape":[2,4])",
       R"("plain.qzeros":{"dtype":"I32","shape":[4,2])", "plain.qzeros: expected i32 of shape (2, 4)"},
      {"gptq_4", model, R"("plain.qzeros":{"dtype":"I32")", R"("plain.qzeros":{"dtype":"F32")",
       "found f32 of shape (2, 4)"},
      {"gptq_4", model, R"("plain.g_idx":{"dtype":"I32","shape":[64])", R"("plain.g_idx":{"dtype":"F32","shape":[64])",
       "plain.g_idx: expected i32 of shape (64)"},
      {"gptq_4", model, R"("plain.qweight":{"dtype":"I32","shape":[8,32])",
       R"("plain.qweight":{"dtype":"I32","shape":[32,8])", "plain.scales: expected f16, bf16 or f32 of shape (8, 8)"},
      {"gptq_3_v2", model, R"("zeros.qweight":{"dtype":"I32","shape":[6,32])",
       R"("zeros.qweight":{"dtype":"I32","shape":[32,6])", "32 x 6 words are not whole rows and columns of 3 bits"},
      {"awq", model, R"("plain.qweight":{"dtype":"I32","shape":[64,4])",
       R"("plain.qweight":{"dtype":"I32","shape":[4,64])",
       "plain.scales: expected f16, bf16 or f32 of shape (1, 512) for awq, 4 bits"},
      {"gptq_4", config, R"("bits": 4)", R"("bits": 8)", "of shape (1, 32) for gptq, 8 bits and group_size 32"},
      {"gptq_8_v2", config, R"("bits": 8)", R"("bits": 4)", "for gptq, 4 bits and group_size 32"},
      {"gptq_4", config, R"("group_size": 32)", R"("group_size": 16)", "of shape (4, 32)"},
      {"gptq_4_column", config, R"("group_size": -1)", R"("group_size": 32)", "of shape (2, 32)"},
      {"gptq_4", config, R"("quantization_config")", R"("quantisation_config")",
       "GPTQ or AWQ packed it, but config.json states neither"},
      {"gptq_4", config, R"("quant_method": "gptq")", R"("quant_method": "bitsandbytes")",
       "GPTQ or AWQ packed it, but config.json states neither"},
      {"gptq_4_v2", config, R"("desc_act": false)", R"("desc_act": true)", "but zeros.g_idx is missing"},
  };
  for (const change& c : cases) {
    INFO(c.form << ": " << c.from << " -> " << c.to);
    if (c.file == model) REQUIRE(c.from.size() == c.to.size());
    temporary_folder f("packed");
    f.copy(data + std::string(c.form));
    const std::string changed = replaced(f.read(std::string(c.file)), c.from, c.to);
    REQUIRE_FALSE(changed.empty());
    f.write(std::string(c.file), changed);
    const std::string sentence = error_of(f);
    INFO(sentence);
    CHECK(sentence.find(c.fragment) != std::string::npos);
    CHECK(sentence.find("model.safetensors: tensor ") != std::string::npos);
  }
}

TEST_CASE("awq: weights in a file of torch have the values of codes; a part that is not contiguous is an error") {
  const std::uint32_t codes[] = {0x76543210u, 0x76543210u}, zero = 0;
  f16 scales[16];
  for (int n = 0; n < 8; ++n) scales[n] = from_float<f16>(1.f), scales[8 + n] = from_float<f16>(2.f);
  const auto text = [](const auto& values) {
    return std::string(reinterpret_cast<const char*>(&values), sizeof values);
  };
  const std::uint32_t zeros[] = {zero, zero};
  for (const bool in_order : {true, false}) {
    const std::vector<std::int64_t> strides =
        in_order ? std::vector<std::int64_t>{8, 1} : std::vector<std::int64_t>{1, 2};
    const std::vector<torch_writer::tensor> parts{
        {"a.qweight", "IntStorage", "0", 2, 0, {2, 1}, {1, 1}, text(codes)},
        {"a.qzeros", "IntStorage", "1", 2, 0, {2, 1}, {1, 1}, text(zeros)},
        {"a.scales", "HalfStorage", "2", 16, 0, {2, 8}, strides, text(scales)}};
    temporary_folder f("awq_bin");
    f.write("config.json", R"({"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 1}})");
    f.write("pytorch_model.bin", torch_writer::torch_zip(parts));
    if (!in_order) {
      CHECK(error_of(f).find("tensor a.scales: its elements are not contiguous") != std::string::npos);
      continue;
    }
    const auto files = opened(f.path.string());
    CHECK(values_of(*files->find("a.weight")) ==
          std::vector<float>{0, 0, 4, 8, 1, 2, 5, 10, 2, 4, 6, 12, 3, 6, 7, 14});  // outputs 0 … 7, two inputs each
  }
}

TEST_CASE("gptq: a group that is not there is an error, whatever the file's order of groups") {
  for (const std::int32_t wrong : {-1, 2, INT32_MAX, INT32_MIN}) {
    temporary_folder f("groups");
    f.copy(data + "gptq_2");
    const auto file = safetensors_file::try_open(f / "model.safetensors");
    REQUIRE(file);
    const std::span<const std::byte> order = file->find("ordered.g_idx")->bytes;
    std::string all = f.read("model.safetensors");
    const auto at = all.find(std::string_view(reinterpret_cast<const char*>(order.data()), order.size()));
    REQUIRE(at != std::string::npos);
    std::memcpy(all.data() + at + 4 * 63, &wrong, 4);
    f.write("model.safetensors", all);
    const std::string sentence = error_of(f);
    INFO(sentence);
    CHECK(sentence.find(text_of("ordered.g_idx: element 63 is ", wrong, ", expected a group, 0 … 1")) !=
          std::string::npos);
  }
}

TEST_CASE("gptq, awq: sizes without elements, however large, are errors") {
  for (const std::string form : {"gptq_4", "awq"})
    for (const char* shape : {"[0,0]", "[0,32]", "[1152921504606846976,0]", "[0,1152921504606846976]", "[0]", "[]"}) {
      temporary_folder f("sizes");
      f.copy(data + form);
      const std::string header = text_of(R"({"a.qweight":{"dtype":"I32","shape":)", shape, R"(,"data_offsets":[0,)",
                                         shape == std::string_view("[]") ? 4 : 0, "]}}");
      const std::uint64_t length = header.size();
      std::string bytes(8, '\0');
      std::memcpy(bytes.data(), &length, 8);
      f.write("model.safetensors", bytes + header + (shape == std::string_view("[]") ? std::string(4, '\0') : ""));
      INFO(shape);
      CHECK(error_of(f).find("tensor a.qweight: expected a matrix of i32") != std::string::npos);
    }
}

TEST_CASE("gptq, awq: a folder without config.json is refused; refused memory is an error", "[memory]") {
  temporary_folder f("no_config");
  f.copy(data + "awq");
  std::filesystem::remove(f / "config.json");
  CHECK(error_of(f).find("GPTQ or AWQ packed it, but config.json states neither") != std::string::npos);
  const std::string folder = data + "gptq_4";
  CHECK(refuse_each([&] { return try_open_tensors(folder); }) > 20);
}
