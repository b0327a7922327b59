// SPDX-License-Identifier: Apache-2.0
/// Weights written to one file or to shards: what the reader finds in them, and transformers' names and index.
#include <llava/checkpoint/json.hpp>
#include <llava/checkpoint/weight_files.hpp>

#include <algorithm>

#include <llava_catch.hpp>
#include <temporary_folder.hpp>

namespace {

using namespace llava;

const std::string tiny = LLAVA_EXAMPLES_DIR "/tiny";

safetensors_folder opened(const std::string& folder) {
  auto files = safetensors_folder::try_open(folder);
  if (!files) FAIL(files.error().what());
  return *std::move(files);
}
std::vector<planned_tensor> copies_of(const safetensors_folder& files) {
  std::vector<planned_tensor> plan;
  files.for_each([&](const stored_tensor& t) { plan.push_back({&t, {t.name, t.type, t.dims, {}}}); });
  return plan;
}
result<void> written(const temporary_folder& to, std::vector<planned_tensor> plan, std::uint64_t most) {
  thread_pool threads(2);
  return try_write_weights(to.path.string(), std::move(plan), most, threads,
                           {"copying", tiny, [](const progress&) { return true; }, [] {}});
}

}  // namespace

TEST_CASE("all tensors are read again from one file and from shards, byte for byte") {
  const safetensors_folder from = opened(tiny);
  for (const std::uint64_t most : {UINT64_MAX, std::uint64_t{400000}, std::uint64_t{1}}) {
    temporary_folder f("weight_files");
    const auto done = written(f, copies_of(from), most);
    if (!done) FAIL(done.error().what());
    const safetensors_folder again = opened(f.path.string());
    std::size_t count = 0;
    from.for_each([&](const stored_tensor& t) {
      INFO(t.name);
      const stored_tensor* other = again.find(t.name);
      REQUIRE(other);
      CHECK((other->type == t.type && other->dims == t.dims && std::ranges::equal(other->bytes, t.bytes)));
      ++count;
    });
    again.for_each([&](const stored_tensor&) { --count; });
    CHECK(count == 0);
    CHECK(std::filesystem::exists(f / "model.safetensors") == (most == UINT64_MAX));
  }
}

TEST_CASE("shards are filled in order up to their limit, and the index has their names and total size") {
  const std::vector<float> values(12);
  const auto bytes = std::as_bytes(std::span<const float>(values));
  std::vector<stored_tensor> tensors;
  for (const auto& [name, n] : {std::pair{"b", 4}, {"a", 2}, {"e", 12}, {"c", 1}, {"d", 3}})
    tensors.push_back(
        {name, dtype::float32, {}, {static_cast<std::size_t>(n)}, bytes.first(4 * static_cast<std::size_t>(n)), {}});
  std::vector<planned_tensor> plan;
  for (const stored_tensor& t : tensors) plan.push_back({&t, {t.name, t.type, t.dims, {}}});
  temporary_folder f("shards");
  REQUIRE(written(f, plan, 24));
  const auto index = json_document::try_read(f / "model.safetensors.index.json");
  REQUIRE(index);
  CHECK(json_text(index->value()) == f.read("model.safetensors.index.json"));
  CHECK(index->value().find("metadata")->find("total_size")->integer() == 88);
  std::string map;
  for (const auto& [name, file] : index->value().find("weight_map")->members()) map += name + " " + *file.text() + "; ";
  CHECK(map ==
        "a model-00001-of-00003.safetensors; b model-00001-of-00003.safetensors; "
        "c model-00003-of-00003.safetensors; d model-00003-of-00003.safetensors; "
        "e model-00002-of-00003.safetensors; ");
}

TEST_CASE("computed rows are encoded, and work that is cancelled or impossible is an error") {
  const std::vector<float> values{1.f, 2.5f, -3.f, 65536.f, 1e-8f, 0.f};
  const stored_tensor t{"x", dtype::float32, {}, {3, 2}, std::as_bytes(std::span<const float>(values)), "file"};
  temporary_folder f("encoded");
  const planned_tensor halves{&t, {"y", dtype::bfloat16, {3, 2}, {}}, detail::dense_rows(dtype::bfloat16), 2};
  REQUIRE(written(f, {halves}, 100));
  const safetensors_folder again = opened(f.path.string());
  std::vector<float> read(6);
  stored_rows({dtype::bfloat16, again.find("y")->bytes.data()}, 2).read(0, 3, read.data());
  for (std::size_t i = 0; i < 6; ++i) CHECK(read[i] == to_float(from_float<bf16>(values[i])));

  temporary_folder other("not_written");
  const auto copied = written(other, {{&t, {"y", dtype::float16, {3, 2}, {}}}}, 100);
  REQUIRE_FALSE(copied);
  CHECK(copied.error().sentence() == "llava: file: x has a type that cannot be copied");
  serial_executor one;
  const auto stopped = try_write_weights(other.path.string(), {halves, halves}, 100, one,
                                         {"copying", "here", [](const progress& p) { return p.done > 12; }, [] {}});
  REQUIRE_FALSE(stopped);
  CHECK(stopped.error().sentence() == "llava: copying here was cancelled");
}
