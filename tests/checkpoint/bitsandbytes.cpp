// SPDX-License-Identifier: Apache-2.0
// Weights that bitsandbytes has quantised, as its layers save them (tests/oracle/bitsandbytes_save.py).
#include <llava/backend/scalar.hpp>
#include <llava/checkpoint/bitsandbytes.hpp>
#include <llava/checkpoint/checkpoint.hpp>
#include <llava/checkpoint/safetensors.hpp>
#include <llava/nn/linear.hpp>
#include <llava_catch.hpp>
#include <temporary_folder.hpp>
#include <torch_writer.hpp>

using namespace llava;

namespace {

const std::string folder = LLAVA_TEST_DATA "/bitsandbytes";

std::unique_ptr<const tensor_source> tensors() {
  auto files = try_open_tensors(folder);
  if (!files) FAIL(files.error().what());
  return *std::move(files);
}
safetensors_file file_named(const std::string& name) {
  auto file = safetensors_file::try_open(folder + "/" + name);
  if (!file) FAIL(file.error().what());
  return *std::move(file);
}

}  // namespace

TEST_CASE("bitsandbytes: weights in nf4, fp4 and int8 have the values that bitsandbytes computes") {
  const auto files = tensors();
  const safetensors_file values = file_named("values.safetensors");
  for (const std::string name : {"nf4.weight", "plain.weight", "fp4.weight", "wide.weight", "int8.weight"}) {
    INFO(name);
    const stored_tensor *found = files->find(name), *expected = values.find(name);
    REQUIRE((found && expected));
    CHECK(found->dims == expected->dims);
    CHECK(found->type == dtype::float16);
    CHECK(found->format.empty());
    REQUIRE(found->rows);
    const auto rows = static_cast<std::int64_t>(found->dims[0]), columns = static_cast<std::int64_t>(found->dims[1]);
    std::vector<float> all(static_cast<std::size_t>(rows * columns)), alone(all.size());
    found->rows->read(0, rows, all.data());
    for (std::int64_t r = 0; r < rows; ++r) found->rows->read(r, 1, alone.data() + r * columns);
    CHECK(alone == all);
    std::vector<float> computed(all.size());
    expected->with_rows(columns, [&](const row_source& from) { from.read(0, rows, computed.data()); });
    CHECK(all == computed);
  }
}

TEST_CASE("bitsandbytes: the parts of a weight are hidden, and other tensors stay as they are") {
  std::vector<std::string> names;
  const auto files = tensors();
  files->for_each([&](const stored_tensor& t) { names.push_back(t.name); });
  std::sort(names.begin(), names.end());
  CHECK(names == std::vector<std::string>{"fp4.weight", "int8.weight", "nf4.bias", "nf4.weight", "norm.weight",
                                          "plain.weight", "wide.weight"});
  CHECK_FALSE(files->find("nf4.weight.absmax"));
  CHECK_FALSE(files->find("nf4.weight.quant_state.bitsandbytes__nf4"));
  CHECK_FALSE(files->find("int8.SCB"));
  CHECK(files->find("norm.weight")->bytes.size() == 8 * sizeof(float));
}

TEST_CASE("bitsandbytes: nf4 weights keep their codes and scales when they are opened as nf4") {
  const auto files = tensors();
  const safetensors_file stored = file_named("model.safetensors");
  const stored_tensor& t = *files->find("nf4.weight");
  weight<scalar, nf4> w;
  REQUIRE(w.try_fill(*t.rows, {40, 96}, "w", host_memory()));
  const nf4::parts at(40 * 96);
  const auto same = [&](std::ptrdiff_t first, const std::string& name) {
    const std::span<const std::byte> expected = stored.find(name)->bytes;
    return std::memcmp(w.view().data + first, expected.data(), expected.size()) == 0;
  };
  CHECK(same(4, "nf4.weight.nested_quant_map"));
  CHECK(same(at.scales, "nf4.weight.nested_absmax"));
  CHECK(same(at.scale_codes, "nf4.weight.absmax"));
  CHECK(same(at.codes, "nf4.weight"));

  // Other settings of bitsandbytes are quantised again, from the values that they have.
  for (const std::string name : {"plain.weight", "fp4.weight", "wide.weight"})
    CHECK(files->find(name)->rows->coded_as().empty());
  const stored_tensor& plain = *files->find("plain.weight");
  weight<scalar, nf4> again;
  REQUIRE(again.try_fill(*plain.rows, {7, 75}, "w", host_memory()));
  const std::span<const std::byte> codes = stored.find("plain.weight")->bytes;
  CHECK(std::memcmp(again.view().data + nf4::parts(7 * 75).codes, codes.data(), codes.size() - 1) == 0);
}

TEST_CASE("bitsandbytes: int8 weights keep their codes when they are opened as int8") {
  const auto files = tensors();
  const safetensors_file stored = file_named("model.safetensors");
  const stored_tensor& t = *files->find("int8.weight");
  CHECK(t.rows->coded_as() == "int8");
  weight<scalar, int8> w;
  REQUIRE(w.try_fill(*t.rows, {24, 50}, "w", host_memory()));
  for (std::ptrdiff_t r = 0; r < 24; ++r) {
    CHECK(std::memcmp(w.view().block(r, 0), stored.find("int8.weight")->bytes.data() + r * 50, 50) == 0);
    CHECK(int8::row_scale(w.view().row(r)) * 127.f ==
          Approx(read_number<float>(stored.find("int8.SCB")->bytes.data() + 4 * r)).epsilon(1e-6));
  }
}

TEST_CASE("bitsandbytes: parts that do not fit are errors that name the file and the tensor") {
  struct {
    std::string_view from, to;  // of equal length
    std::string fragment;
  } const cases[] = {
      {R"("nf4.weight.absmax")", R"("nf4.weight.absmex")",
       "bitsandbytes quantised it, but nf4.weight.absmax is missing"},
      {R"("nf4.weight.quant_map")", R"("nf4.weight.quant_mep")", "but nf4.weight.quant_map is missing"},
      {R"("nf4.weight.nested_quant_map")", R"("nf4.weight.nested_quant_mep")", "nested_quant_map is missing"},
      {R"("nf4.weight.nested_absmax")", R"("nf4.weight.nested_absmex")",
       "tensor nf4.weight.absmax: expected 60 elements of f32, found 60 of u8"},
      {R"("nf4.weight":)", R"("nf5.weight":)", "the weight nf4.weight is missing"},
      {R"("quant_type": "nf4")", R"("quant_type": "nf5")", "\"quant_type\" is nf5, expected nf4 or fp4"},
      {R"("dtype": "float16")", R"("dtype": "float18")", "\"dtype\" is float18, expected float16, bfloat16 or float32"},
      {R"("nf4", "blocksize": 64)", R"("nf4", "blocksize": -1)", "\"blocksize\" must be 1 … 65536"},
      {R"("nf4", "blocksize": 64)", R"("nf4", "blocksize": 32)",
       "tensor nf4.weight.absmax: expected 120 elements of u8, found 60 of u8"},
      {R"("nested_blocksize": 256)", R"("nested_blocksize": -25)", "\"nested_blocksize\" must be 1 … 65536"},
      {"[40, 96]", "[40, 99]", "tensor nf4.weight: its 1920 bytes are not 40 x 99 codes of 4 bits"},
      {"[40, 96]", "[-4, 96]", "its 1920 bytes are not -4 x 96 codes"},
      {"[40, 96]", "[4, 9,6]", "\"shape\" must be the two sizes of a matrix"},
      {R"({"quant_type": "nf4")", R"(["quant_type": "nf4")", "not JSON"},
      {R"("int8.weight":)", R"("int9.weight":)", "the weight int8.weight is missing"},
      {R"("int8.SCB":{"dtype":"F32")", R"("int8.SCB":{"dtype":"I32")",
       "tensor int8.SCB: expected 24 elements of f32, found 24 of i32"},
      {R"("int8.weight":{"dtype":"I8")", R"("int8.weight":{"dtype":"U8")",
       "tensor int8.weight: expected a matrix of i8"},
  };
  for (const auto& c : cases) {
    INFO(c.from << " -> " << c.to);
    REQUIRE(c.from.size() == c.to.size());
    temporary_folder f("bits");
    f.copy(folder);
    const std::string changed = replaced(f.read("model.safetensors"), c.from, c.to);
    REQUIRE_FALSE(changed.empty());
    f.write("model.safetensors", changed);
    const auto opened = try_open_tensors(f.path.string());
    REQUIRE_FALSE(opened);
    INFO(opened.error().sentence());
    CHECK(opened.error().sentence().find(c.fragment) != std::string::npos);
    CHECK(opened.error().sentence().find("model.safetensors: ") != std::string::npos);
  }
}

TEST_CASE("bitsandbytes: weights of 8 bits in a file of torch have the values of codes and scales") {
  const float scales[] = {127.f, 25.4f};
  const torch_writer::tensor codes{
      "layer.weight", "CharStorage", "0", 6, 0, {2, 3}, {3, 1}, std::string("\x7f\x80\x01\x02\0\xff", 6)},
      scale{"layer.SCB", "FloatStorage", "1", 2, 0, {2}, {1}, std::string(reinterpret_cast<const char*>(scales), 8)};
  temporary_folder f("bits_bin");
  f.write("pytorch_model.bin", torch_writer::torch_zip({codes, scale}));
  const auto files = try_open_tensors(f.path.string());
  if (!files) FAIL(files.error().what());
  CHECK_FALSE((*files)->find("layer.SCB"));
  const stored_tensor& t = *(*files)->find("layer.weight");
  REQUIRE(t.rows);
  CHECK((t.rows->coded_as() == "int8" && t.dims == std::vector<std::size_t>{2, 3}));
  float values[6];
  t.rows->read(0, 2, values);
  const double expected[] = {127, -128, 1, .4, 0, -.2};
  for (int i = 0; i < 6; ++i) CHECK(values[i] == Approx(expected[i]));
}
