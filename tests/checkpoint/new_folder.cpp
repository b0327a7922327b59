// SPDX-License-Identifier: Apache-2.0
#include <llava/checkpoint/model_files.hpp>
#include <llava/checkpoint/new_folder.hpp>

#include <algorithm>

#include <allocations.hpp>
#include <llava_catch.hpp>
#include <temporary_folder.hpp>

namespace {

using namespace llava;
namespace fs = std::filesystem;

std::string entries(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : " ") + name;
  return all;
}

/// Creates the folder `place` with two files. Returns the error, or an empty string.
std::string made(const temporary_folder& f, const std::string& place) {
  auto folder = new_folder::try_make(place);
  if (!folder) return folder.error().sentence();
  for (const char* name : {"config.json", "tower/config.json"})
    if (const auto copied = folder->try_copy(f / "source", name); !copied) return copied.error().sentence();
  const auto done = folder->try_commit();
  return done ? "" : done.error().sentence();
}

}  // namespace

TEST_CASE("a new folder: everything that may already have its name has a defined result, and nothing is destroyed") {
  temporary_folder f("new_folder");
  f.write("source", "{}").write("file", "mine").write("empty_file", "").write("full/x", "mine").write("links/here", "");
  for (const char* name : {"empty", "target"}) fs::create_directory(f / name);
  fs::create_directory_symlink(f / "target", f / "links/to_empty");
  fs::create_directory_symlink(f / "full", f / "links/to_full");
  fs::create_symlink(f / "file", f / "links/to_file");
  fs::create_symlink(f / "absent", f / "links/to_nothing");
  const std::string before = entries(f.path);

  for (const char* name : {"file", "empty_file", "full", "full/", "links/to_full", "links/to_file"}) {
    INFO(name);
    CHECK(made(f, f / name).find("already exists and is not an empty folder; choose another") != std::string::npos);
  }
  CHECK(made(f, f / "links/to_nothing").find("already exists and is a link to nothing") != std::string::npos);
  CHECK(made(f, f / "file/x").find("cannot create") != std::string::npos);
  CHECK(made(f, "") == "llava: the new folder has no name");
  CHECK(f.read("file") == "mine");
  CHECK(entries(f / "full") == "x");
  CHECK(entries(f / "links") == "here to_empty to_file to_full to_nothing");
  CHECK(entries(f.path) == before);

  CHECK(made(f, f / "new") == "");
  CHECK(made(f, f / "deep/er/new//") == "");
  CHECK(made(f, f / "dot/.") == "");
  CHECK(made(f, f / "empty") == "");
  CHECK(made(f, f / "links/to_empty") == "");
  for (const char* name : {"new", "deep/er/new", "dot", "empty", "target"})
    CHECK(entries(f / name) == "config.json tower");
  CHECK(fs::is_symlink(f / "links/to_empty"));
  CHECK(made(f, f / "new").find("is not an empty folder") != std::string::npos);
  CHECK(entries(f.path) == "deep dot empty empty_file file full links new source target");
}

TEST_CASE("a new folder that is not finished leaves nothing behind, and files put in its place meanwhile stay") {
  temporary_folder f("new_folder_left");
  f.write("source", "{}");
  fs::create_directory(f / "empty");
  for (const char* name : {"new", "empty"}) {
    auto folder = new_folder::try_make(f / name);
    REQUIRE((folder && folder->try_copy(f / "source", "config.json")));
    const std::string error = folder->try_copy(f / "absent", "x").error().sentence();
    CHECK(error.find("llava: cannot copy " + (f / "absent")) == 0);
    CHECK(error.find(": No such file or directory") != std::string::npos);
  }
  CHECK(entries(f.path) == "empty source");
  CHECK(entries(f / "empty") == "");
  {
    const auto one = new_folder::try_make(f / "empty");
    CHECK(made(f, f / "empty").find("is not an empty folder") != std::string::npos);
    CHECK(made(f, f / "empty").find("is not an empty folder") != std::string::npos);
  }

  auto folder = new_folder::try_make(f / "new");
  REQUIRE((folder && folder->try_copy(f / "source", "config.json")));
  f.write("new/of others", "mine");
  CHECK(folder->try_commit().error().sentence().find(": File exists") != std::string::npos);
  CHECK(entries(f / "new") == "of others");
}

TEST_CASE("only the model's files of a folder are copied, not a clone, a cache or other weights") {
  temporary_folder f("model_files");
  for (const char* name : {"config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json",
                           "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json",
                           "added_tokens.json", "vocab.json", "merges.txt", "chat_template.jinja", "chat_template.json",
                           "LICENSE", "LICENSE.txt", "NOTICE", "README.md", "USE_POLICY.md"})
    f.write(std::string("m/") + name, "{}");
  const std::string expected = entries(f / "m");
  for (const char* name :
       {".git/objects/pack", ".cache/huggingface/x", ".gitattributes", "runs/events", "pytorch_model.bin",
        "model-00001-of-00002.safetensors", "model.safetensors.index.json", "model.safetensors", "model.gguf",
        "tokenizer.bin", "training_args.bin", "consolidated.00.pth", "flax_model.msgpack", "llava_instruct_150k.json",
        "train.py", "view.jpg", "original/params.json", "configs/x.json"})
    f.write(std::string("m/") + name, "x");
  fs::remove(f / "m/tokenizer.model");
  f.write("blob", "of the cache");
  fs::create_symlink(f / "blob", f / "m/tokenizer.model");  // as in snapshots of the hub's cache
  fs::create_directory_symlink(f / "m/.git", f / "m/tokenizer_of_others");

  auto folder = new_folder::try_make(f / "new");
  REQUIRE(folder);
  const auto copied = detail::try_copy_model_files(*folder, f / "m", {});
  if (!copied) FAIL(copied.error().what());
  REQUIRE(folder->try_commit());
  CHECK(entries(f / "new") == expected);
  CHECK(f.read("new/tokenizer.model") == "of the cache");
  CHECK_FALSE(fs::is_symlink(f / "new/tokenizer.model"));
}

TEST_CASE("a tower below the folder is copied with its weights, one elsewhere is not; a Git LFS pointer is an error") {
  temporary_folder f("model_tower");
  f.write("m/config.json", R"({"mm_vision_tower": "openai/clip"})");
  for (const char* name : {"config.json", "preprocessor_config.json", "model.safetensors",
                           "model.safetensors.index.json", "pytorch_model.bin", ".git/x"})
    f.write(std::string("m/openai/clip/") + name, "{}").write(std::string("clip/") + name, "{}");
  const auto copied = [&](const char* to) {
    auto folder = new_folder::try_make(f / to);
    REQUIRE(folder);
    const auto done = detail::try_copy_model_files(*folder, f / "m", {});
    if (!done) return done.error().sentence();
    REQUIRE(folder->try_commit());
    return std::string();
  };
  CHECK(copied("one") == "");
  CHECK(entries(f / "one/openai/clip") ==
        "config.json model.safetensors model.safetensors.index.json preprocessor_config.json");
  for (const std::string& elsewhere : {std::string("../clip"), f / "clip", std::string("absent/clip")}) {
    f.write("m/config.json", "{\"mm_vision_tower\": \"" + elsewhere + "\"}");
    CHECK(copied("two") == "");
    CHECK(entries(f / "two") == "config.json");
    fs::remove_all(f / "two");
  }
  f.write("m/tokenizer.model", "version https://git-lfs.github.com/spec/v1\n");
  CHECK(copied("three").find("tokenizer.model is a Git LFS pointer") != std::string::npos);
  CHECK(entries(f.path) == "clip m one");
}

TEST_CASE("R12: memory is refused while a new folder is made, and nothing is left behind") {
  temporary_folder f("refused_folder");
  const std::string place = f / "model";
  bool refused = true;
  for (long n = 0; refused; ++n) {
    allocations::refuse_one refuse(n);
    {
      const auto made = guarded([&] { return new_folder::try_make(place); });
      refused = refuse.refused();
      allocations::left = -1;
      CHECK(made.has_value() != refused);
    }
    CHECK(std::filesystem::is_empty(f.path));
  }
}
