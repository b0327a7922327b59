// SPDX-License-Identifier: Apache-2.0
#include <llava/checkpoint/hub_cache.hpp>

#include <cstdlib>

#include <llava_catch.hpp>
#include <temporary_folder.hpp>

namespace {

/// Clears the environment variables that locate the cache, for the duration of one test.
struct environment {
  static constexpr const char* names[] = {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HOME"};
  std::vector<std::pair<const char*, std::string>> before;
  environment() {
    for (const char* name : names) {
      if (const char* v = std::getenv(name)) before.emplace_back(name, v);
      ::unsetenv(name);
    }
  }
  ~environment() {
    for (const char* name : names) ::unsetenv(name);
    for (const auto& [name, value] : before) ::setenv(name, value.c_str(), 1);
  }
};

std::string resolved(const std::string& name) {
  const auto folder = llava::try_resolve_model_folder(name);
  return folder ? *folder : folder.error().sentence();
}

}  // namespace

TEST_CASE("a folder resolves to itself, without trailing slashes") {
  temporary_folder f("plain");
  CHECK(resolved(f.path.string()) == f.path.string());
  CHECK(resolved(f.path.string() + "//") == f.path.string());
  CHECK(resolved("/") == "/");
}

TEST_CASE("a file that is not GGUF is an error; an inaccessible folder is an error with its reason") {
  temporary_folder f("files");
  f.write("x.safetensors", "").write("llava.Q4_K_M.gguf", "GGUF");
  CHECK(resolved(f / "x.safetensors") ==
        "llava: " + (f / "x.safetensors") + " is a file; pass the folder of a model, or a GGUF file (.gguf)");
  CHECK(resolved(f / "llava.Q4_K_M.gguf") == f / "llava.Q4_K_M.gguf");
  CHECK(resolved("absent/llava.gguf").find("there is no file absent/llava.gguf: No such file") != std::string::npos);
  CHECK(resolved(f / "x.safetensors/y").find("there is no folder") != std::string::npos);
  CHECK(resolved(f / "x.safetensors/y").find(": Not a directory") != std::string::npos);
  CHECK(resolved(f / "absent").find(": No such file or directory") != std::string::npos);
}

TEST_CASE("a repository name is looked up in the Hugging Face cache") {
  environment e;
  temporary_folder f("hub");
  const std::string revision = "4481d270cc22fd5c4d1bb5df129622006ccd9234",
                    inside = "models--liuhaotian--llava-v1.5-7b/";
  f.write("hub/" + inside + "snapshots/" + revision + "/config.json", "{}")
      .write("hub/" + inside + "refs/main", revision + "\n");
  const std::string expected = f / ("hub/" + inside + "snapshots/" + revision);

  ::setenv("HOME", f.path.c_str(), 1);
  CHECK(resolved("liuhaotian/llava-v1.5-7b").find("llava pull liuhaotian/llava-v1.5-7b") != std::string::npos);
  for (const auto& [name, value] : {std::pair<const char*, std::string>{"HF_HOME", f.path.string()},
                                    {"HUGGINGFACE_HUB_CACHE", f / "hub"},
                                    {"HF_HUB_CACHE", f / "hub"}}) {
    ::setenv(name, value.c_str(), 1);
    CHECK(resolved("liuhaotian/llava-v1.5-7b") == expected);
    ::unsetenv(name);
  }
  std::filesystem::create_directories(f.path / ".cache/huggingface");
  std::filesystem::rename(f.path / "hub", f.path / ".cache/huggingface/hub");
  CHECK(resolved("liuhaotian/llava-v1.5-7b") == f / (".cache/huggingface/hub/" + inside + "snapshots/" + revision));
}

TEST_CASE("invalid repository names, and cache entries that point outside the cache, are not resolved") {
  environment e;
  temporary_folder f("hub_bad");
  ::setenv("HF_HUB_CACHE", f.path.c_str(), 1);
  for (const char* name : {"absent", "a/b/c", "/a", "a/", "../absent", "a/..", "-a/b", ".a/b", "a b/c", ""}) {
    INFO(name);
    CHECK(resolved(name).find("there is no folder") != std::string::npos);
  }
  for (const char* revision : {"../../..", "", "a/b", "absent"}) {
    f.write("models--a--b/refs/main", revision);
    CHECK(resolved("a/b").find("neither a folder nor in the Hugging Face cache") != std::string::npos);
  }
  f.write("models--a--b/refs/main", std::string(1000, 'a'));
  CHECK(resolved("a/b").find("neither a folder") != std::string::npos);
}
