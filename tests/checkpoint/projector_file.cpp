// SPDX-License-Identifier: Apache-2.0
/// A projector in a torch file of its own: what torch_file reads from it, the checksums, and the same model over its
/// language model. tests/oracle/converted_folders.py reads such files with torch.load(weights_only=True).
#include <llava/checkpoint/checkpoint.hpp>
#include <llava/checkpoint/projector_file.hpp>
#include <llava/checkpoint/torch_file.hpp>

#include <algorithm>
#include <set>

#include <crc32.hpp>
#include <llava_catch.hpp>
#include <temporary_folder.hpp>

namespace {

using namespace llava;

const std::string goldens = LLAVA_TEST_DATA "/goldens/";

checkpoint opened(const std::string& folder, const std::string& base = {}) {
  auto c = try_open_checkpoint(folder, base);
  if (!c) FAIL(c.error().what());
  return *std::move(c);
}
std::string error_of(const checkpoint& from, const std::string& file, const convert_options& o = {}) {
  const auto done = try_extract_projector(from, file, o);
  return done ? std::string() : done.error().sentence();
}

}  // namespace

TEST_CASE("a projector's file has its tensors under LLaVA's names, from every layout") {
  for (const char* name : {"clip_mha", "clip_llama3_new_names", "original_inside", "original_linear", "original_mpt"}) {
    INFO(name);
    const checkpoint from = opened(goldens + name);
    temporary_folder f("projector");
    const auto done = try_extract_projector(from, f / "mm_projector.bin");
    if (!done) FAIL(done.error().what());
    const auto file = torch_file::try_open(f / "mm_projector.bin");
    if (!file) FAIL(file.error().what());
    std::size_t count = 0;
    const std::string start = std::string(name) == "original_mpt" ? "transformer." : "model.";
    from.tensors.for_each([&](const std::string& own, const stored_tensor& t) {
      if (own.rfind("projector.", 0) != 0) return;
      const stored_tensor* written = file->find(start + "mm_" + own);
      INFO(own);
      REQUIRE(written);
      CHECK((written->type == t.type && written->dims == t.dims && std::ranges::equal(written->bytes, t.bytes)));
      ++count;
    });
    file->for_each([&](const stored_tensor&) { --count; });
    CHECK(count == 0);
    CHECK(std::distance(std::filesystem::directory_iterator(f.path), {}) == 1);  // no partial file is left
  }
}

TEST_CASE("the members of the file have the checksums and headers of a zip file") {
  temporary_folder f("members");
  convert_options o;
  o.type = dtype::float32;
  REQUIRE(try_extract_projector(opened(goldens + "clip_mha"), f / "mm_projector.bin", o));
  const std::string bytes = f.read("mm_projector.bin");
  const auto zip = detail::zip_members::try_read("file", bytes);
  REQUIRE(zip);
  const auto number = [&](std::size_t at, int width) {
    std::uint64_t n = 0;
    for (int i = width; i-- > 0;) n = n << 8 | static_cast<unsigned char>(bytes[at + static_cast<std::size_t>(i)]);
    return n;
  };
  std::set<std::string> names;
  zip->for_each([&](std::string_view name, std::string_view member) {
    INFO(name);
    names.emplace(name);
    const std::size_t at = static_cast<std::size_t>(member.data() - bytes.data()) - 30 - name.size();
    CHECK(bytes.compare(at, 4, "PK\3\4") == 0);
    CHECK(number(at + 14, 4) == crc32(std::as_bytes(std::span<const char>(member))));
    CHECK(number(at + 18, 4) == member.size());
    CHECK(number(at + 22, 4) == member.size());
  });
  CHECK(names == std::set<std::string>{"mm_projector/byteorder", "mm_projector/data.pkl", "mm_projector/data/0",
                                       "mm_projector/data/1", "mm_projector/data/2", "mm_projector/data/3",
                                       "mm_projector/version"});
}

TEST_CASE("an extracted projector over its model is the model") {
  const checkpoint from = opened(goldens + "original_folder");
  temporary_folder f("over");
  convert_options o;
  o.type = dtype::float16;
  REQUIRE(try_extract_projector(from, f / "mm_projector.bin", o));
  f.write("config.json",
          replaced(temporary_folder("none").copy(goldens + "original_folder/config.json").read("config.json"),
                   "\"tower\"", "\"" + goldens + "original_folder/tower\""));
  const checkpoint over = opened(f.path.string(), goldens + "original_folder");
  const stored_tensor &a = *from.tensors.find("projector.0.weight"), &b = *over.tensors.find("projector.0.weight");
  CHECK(b.type == dtype::float16);
  const auto n = static_cast<std::int64_t>(a.dims[0]);
  std::vector<float> x(static_cast<std::size_t>(n * a.columns())), y(x.size());
  a.with_rows(a.columns(), [&](const row_source& rows) { rows.read(0, n, x.data()); });
  b.with_rows(b.columns(), [&](const row_source& rows) { rows.read(0, n, y.data()); });
  for (float& value : x) value = to_float(from_float<f16>(value));
  CHECK(x == y);
}

TEST_CASE("models without a projector, existing files and cancelled work are errors") {
  temporary_folder f("no_projector");
  CHECK(error_of(opened(goldens + "text_llama"), f / "a.bin").find("has no weights of a projector") !=
        std::string::npos);
  CHECK(error_of(opened(goldens + "original_identity"), f / "a.bin").find("has no weights of a projector") !=
        std::string::npos);
  f.write("b.bin", "mine");
  CHECK(error_of(opened(goldens + "clip_mha"), f / "b.bin").find("cannot rename") != std::string::npos);
  CHECK(f.read("b.bin") == "mine");
  convert_options o;
  o.report = [](const progress&) { return false; };
  CHECK(error_of(opened(goldens + "clip_mha"), f / "c.bin", o) ==
        "llava: extracting the projector of " + goldens + "clip_mha was cancelled");
  CHECK(std::distance(std::filesystem::directory_iterator(f.path), {}) == 1);
}
