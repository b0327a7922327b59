// SPDX-License-Identifier: Apache-2.0
/// The memory that try_memory_needs states is what opening allocates: an open model counts it for its budget.
#include <llava.hpp>
#include <llava/pipeline/memory_needs.hpp>

#include <llava_catch.hpp>
#include <temporary_folder.hpp>

namespace {

using namespace llava;

const std::string tiny = LLAVA_EXAMPLES_DIR "/tiny", goldens = LLAVA_TEST_DATA "/goldens/";

checkpoint opened(const std::string& path) {
  auto c = try_open_checkpoint(path);
  if (!c) FAIL(c.error().what());
  return *std::move(c);
}

/// Compares with the sentence of opening with a budget of one byte.
template <class B, class F>
memory_needs checked(const std::string& path) {
  INFO(path);
  const auto needs = try_memory_needs<any, B, F>(opened(path));
  if (!needs) FAIL(needs.error().what());
  open_options small;
  small.memory_budget = 1, small.kv_tokens = 4096;
  const auto model = try_open<any, B, F>(path, small);
  REQUIRE_FALSE(model);
  const std::string said = model.error().sentence();
  INFO(said);
  CHECK(said.find(text_of("weights (", needs->allocated, " bytes), KV cache (", 4096 * needs->of_token, " bytes)")) !=
        std::string::npos);
  return *needs;
}

}  // namespace

TEST_CASE("the memory that is stated is the memory that opening takes") {
  std::uint64_t in_files = 0;
  opened(tiny).tensors.for_each([&](const std::string&, const stored_tensor& t) { in_files += t.bytes.size(); });
  const memory_needs in_place = checked<scalar, f16>(tiny), wide = checked<scalar, f32>(tiny),
                     blocks = checked<simd, q8_0>(tiny);
  CHECK((in_place.mapped > in_files / 2 && in_place.mapped < in_files));  // the file is of f16
  CHECK((wide.allocated > 2 * in_place.mapped && wide.mapped < in_place.mapped / 4));
  CHECK((blocks.allocated > in_place.allocated && blocks.allocated < wide.allocated));
  CHECK(in_place.of_token == blocks.of_token);
  checked<scalar, f16>(goldens + "gguf_llama");
  checked<scalar, f16>(goldens + "text_mpt");
}

TEST_CASE("files that do not fit the model have no stated memory") {
  temporary_folder f("needs");
  f.copy(tiny);
  f.write("config.json", replaced(f.read("config.json"), "\"intermediate_size\"", "\"intermediate_size\": 8, \"was\""));
  const auto from = try_open_checkpoint(f.path.string());
  REQUIRE(from);
  const auto needs = try_memory_needs<any, scalar, f16>(*from);
  REQUIRE_FALSE(needs);
  CHECK(needs.error().sentence().find("do not fit this model") != std::string::npos);
}
