// SPDX-License-Identifier: Apache-2.0
/// The bundled model in the forms of GPTQ and AWQ gives the logits of its twin, a folder of the values in f16. The
/// writer here packs code by code; checkpoint/gptq_awq compares the same forms with the programs that define them.
#include "tiny_model.hpp"

#include <llava/checkpoint/convert.hpp>
#include <llava/checkpoint/safetensors.hpp>
#include <llava/checkpoint/safetensors_writer.hpp>
#include <temporary_folder.hpp>

namespace {

using namespace llava;

/// A form of a folder. Groups have 32 inputs.
struct form {
  int bits;
  bool awq, v2, ordered, head;  ///< ordered: with g_idx, whose groups alternate; head: lm_head is quantised too
  bool in_text_config;          ///< where config.json states it
  std::string config;
};

using words = std::vector<std::uint32_t>;

/// Puts a code of `bits` bits at a bit of a row of words that are `stride` apart, bit by bit.
void put(words& to, std::size_t first, std::size_t stride, std::size_t bit, unsigned code, int bits) {
  for (int b = 0; b < bits; ++b, ++bit)
    if (code >> b & 1) to[first + bit / 32 * stride] |= 1u << bit % 32;
}
/// Puts the code of output n into a row of words of AWQ.
void put_awq(words& row, std::size_t first, std::size_t n, unsigned code) {
  constexpr std::size_t order[] = {0, 2, 4, 6, 1, 3, 5, 7};  // outputs of a word, from its low end
  for (std::size_t i = 0; i < 8; ++i)
    if (order[i] == n % 8) row[first + n / 8] |= code << 4 * i;
}

struct tensor {
  safetensors_plan plan;
  std::vector<std::byte> bytes;
};
template <class T>
tensor tensor_of(std::string name, dtype type, std::vector<std::size_t> dims, const std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span<const T>(values));
  return {{std::move(name), type, std::move(dims), {}}, {bytes.begin(), bytes.end()}};
}

/// Quantises a matrix to the nearest codes: its packed parts, and its values in f16.
std::pair<std::vector<tensor>, tensor> quantised(const form& f, const stored_tensor& t) {
  const std::size_t rows = t.dims[0], columns = t.dims[1], groups = columns / 32;
  const auto bits = static_cast<std::size_t>(f.bits);
  std::vector<float> w(rows * columns);
  t.with_rows(t.columns(), [&](const row_source& from) { from.read(0, static_cast<std::int64_t>(rows), w.data()); });
  const std::string layer = t.name.substr(0, t.name.size() - 7);
  const int most = (1 << f.bits) - 1, least_zero = f.awq || f.v2 ? 0 : 1;
  std::vector<std::int32_t> group_of(columns);
  for (std::size_t k = 0; k < columns; ++k) group_of[k] = static_cast<std::int32_t>(f.ordered ? k % groups : k / 32);
  words codes(rows * columns * bits / 32), zeros(rows * groups * bits / 32);
  std::vector<f16> scales(rows * groups), values(rows * columns);
  for (std::size_t n = 0; n < rows; ++n)
    for (std::size_t g = 0; g < groups; ++g) {
      float low = 0, high = 0;
      for (std::size_t k = 0; k < columns; ++k)
        if (group_of[k] == static_cast<std::int32_t>(g))
          low = (std::min)(low, w[n * columns + k]), high = (std::max)(high, w[n * columns + k]);
      const f16 stored = from_float<f16>((high - low) / static_cast<float>(most) + 1e-4f);
      const float scale = to_float(stored);
      const int zero = std::clamp(static_cast<int>(std::lround(-low / scale)), least_zero, most);
      scales[g * rows + n] = stored;
      const auto put_zero = static_cast<unsigned>(zero - (f.awq || f.v2 ? 0 : 1));
      if (f.awq)
        put_awq(zeros, g * rows / 8, n, put_zero);
      else
        put(zeros, g * rows * bits / 32, 1, n * bits, put_zero, f.bits);
      for (std::size_t k = 0; k < columns; ++k) {
        if (group_of[k] != static_cast<std::int32_t>(g)) continue;
        const int code = std::clamp(static_cast<int>(std::lround(w[n * columns + k] / scale)) + zero, 0, most);
        values[n * columns + k] = from_float<f16>(scale * static_cast<float>(code - zero));
        if (f.awq)
          put_awq(codes, k * rows / 8, n, static_cast<unsigned>(code));
        else
          put(codes, n, rows, k * bits, static_cast<unsigned>(code), f.bits);
      }
    }
  const std::vector<std::size_t> code_dims =
      f.awq ? std::vector{columns, rows / 8} : std::vector{columns * bits / 32, rows};
  std::vector<tensor> parts{tensor_of(layer + ".qweight", dtype::int32, code_dims, codes),
                            tensor_of(layer + ".qzeros", dtype::int32, {groups, rows * bits / 32}, zeros),
                            tensor_of(layer + ".scales", dtype::float16, {groups, rows}, scales)};
  if (f.ordered) parts.push_back(tensor_of(layer + ".g_idx", dtype::int32, {columns}, group_of));
  return {std::move(parts), tensor_of(t.name, dtype::float16, t.dims, values)};
}

void write(const std::string& folder, const std::vector<tensor>& tensors) {
  std::filesystem::copy(tiny::folder, folder);
  std::filesystem::remove(folder + "/model.safetensors");
  std::vector<safetensors_plan> plan;
  for (const tensor& t : tensors) plan.push_back(t.plan);
  auto to = safetensors_writer::try_create(folder + "/model.safetensors", plan);
  REQUIRE(to);
  for (const tensor& t : tensors) REQUIRE(to->try_write(t.bytes));
  REQUIRE(to->try_finish());
}

/// Writes the bundled model as `packed` and `plain`. Returns the number of quantised weights.
int write_twins(const temporary_folder& at, const form& f) {
  const auto from = safetensors_folder::try_open(tiny::folder);
  REQUIRE(from);
  std::vector<tensor> packed, plain;
  int count = 0;
  from->for_each([&](const stored_tensor& t) {
    const auto has = [&](const char* part) { return t.name.find(part) != std::string::npos; };
    const bool of_text = has("language_model") && t.name.ends_with("proj.weight");
    if (of_text || (has("multi_modal_projector") && t.name.ends_with(".weight")) || (f.head && has("lm_head.weight"))) {
      auto [parts, values] = quantised(f, t);
      for (tensor& part : parts) packed.push_back(std::move(part));
      plain.push_back(std::move(values));
      ++count;
    } else {
      packed.push_back({{t.name, t.type, t.dims, {}}, {t.bytes.begin(), t.bytes.end()}});
      plain.push_back(packed.back());
    }
  });
  write(at / "packed", packed), write(at / "plain", plain);
  const std::string before = f.in_text_config ? "\"text_config\": {" : "{";
  const std::string changed =
      replaced(at.read("packed/config.json"), before, before + "\"quantization_config\": {" + f.config + "}, ");
  REQUIRE_FALSE(changed.empty());
  std::ofstream(at / "packed/config.json", std::ios::binary) << changed;
  return count;
}

std::vector<float> logits_of(const std::string& folder) {
  const auto model = tiny::open_folder(folder);
  const image images[] = {tiny::test_image(3)};
  auto logits = model.session().try_logits("USER: <image>\nHow many shapes are there? ASSISTANT:", images);
  if (!logits) FAIL(logits.error().what());
  return *std::move(logits);
}

}  // namespace

TEST_CASE("gptq, awq: a model in any form has the logits of its values in f16, and is converted to them") {
  const std::string gptq = R"("quant_method": "gptq", "group_size": 32, "sym": false, )";
  const form forms[] = {
      {4, false, false, true, true, false, gptq + R"("bits": 4, "desc_act": true, "lm_head": true)"},
      {4, false, false, false, false, true, gptq + R"("bits": 4, "desc_act": false)"},
      {3, false, true, false, false, false, gptq + R"("bits": 3, "checkpoint_format": "gptq_v2", "desc_act": false)"},
      {2, false, false, false, false, false, gptq + R"("bits": 2, "checkpoint_format": "gptq", "desc_act": false)"},
      {8, false, true, true, true, false, gptq + R"("bits": 8, "checkpoint_format": "gptq_v2", "desc_act": true)"},
      {4, true, false, false, false, true,
       R"("quant_method": "awq", "bits": 4, "group_size": 32, "zero_point": true, "version": "gemm",
          "modules_to_not_convert": ["vision_tower", "lm_head"])"}};
  const std::vector<float> original = logits_of(tiny::folder);
  for (const form& f : forms) {
    INFO(f.config);
    const temporary_folder at("twins");
    CHECK(write_twins(at, f) == 4 * 7 + 2 + f.head);
    const std::vector<float> logits = logits_of(at / "packed");
    CHECK(logits == logits_of(at / "plain"));
    CHECK(logits != original);

    const auto from = try_open_checkpoint(at / "packed");
    if (!from) FAIL(from.error().what());
    const auto converted = try_convert(*from, at / "floats", checkpoint_layout::as_stored);
    if (!converted) FAIL(converted.error().what());
    CHECK(at.read("floats/config.json").find("quantization_config") == std::string::npos);
    const auto floats = safetensors_folder::try_open(at / "floats"), plain = safetensors_folder::try_open(at / "plain");
    REQUIRE((floats && plain));
    int same = 0, found = 0;
    floats->for_each([&](const stored_tensor& t) {
      const stored_tensor* twin = plain->find(t.name);
      ++found;
      same += twin && twin->type == t.type && twin->dims == t.dims && twin->bytes.size() == t.bytes.size() &&
              std::memcmp(twin->bytes.data(), t.bytes.data(), t.bytes.size()) == 0;
    });
    CHECK(same == found);
    plain->for_each([&](const stored_tensor&) { --found; });
    CHECK(found == 0);
  }
}

TEST_CASE("gptq, awq: a folder whose parts do not fit is refused before anything is loaded") {
  const temporary_folder at("refused");
  write_twins(at, {4, true, false, false, false, false,
                   R"("quant_method": "awq", "bits": 4, "group_size": 64, "zero_point": true, "version": "gemm")"});
  const auto model = tiny::model_type::try_open(at / "packed", tiny::options());
  REQUIRE_FALSE(model);
  INFO(model.error().sentence());
  CHECK(model.error().sentence().find("down_proj.scales: expected f16, bf16 or f32 of shape (5, 128) for awq, 4 bits "
                                      "and group_size 64 (config.json), found f16 of shape (10, 128)") !=
        std::string::npos);
}
