// SPDX-License-Identifier: Apache-2.0
/// What a model computed is found by its next opening, if the same bytes would be computed again, and only then.
#include <llava/checkpoint/disk_cache.hpp>

#include <sys/resource.h>

#include <csignal>
#include <fstream>

#include "temporary_folder.hpp"
#include "tiny_model.hpp"

using namespace tiny;

namespace {

std::vector<std::filesystem::path> files_in(const std::string& cache) {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(cache))
    if (entry.is_regular_file()) found.push_back(entry.path());
  return found;
}

struct outcome {
  std::vector<std::int32_t> tokens;
  int reused_tokens = 0;
  std::uint64_t encoded_images = 0;
};

llava::open_options with_cache(const std::string& cache) {
  llava::open_options o = options();
  o.cache_folder = cache;
  return o;
}

/// Opens a model, asks a question about a picture, and keeps the cache.
template <class Model = model_type>
outcome ask_once(const llava::open_options& o, const std::string& model = folder, const llava::simd& backend = {}) {
  auto opened = Model::try_open(model, o, backend);
  if (!opened) FAIL(opened.error().what());
  auto chat = opened->session();
  chat.settings = few(6);
  const llava::answer a = value(chat.try_ask(test_image(1), "How many shapes are there in this picture, and where?"));
  if (!o.cache_folder.empty()) {
    const auto kept = opened->try_keep_cache();
    if (!kept) FAIL(kept.error().what());
  }
  return {a.tokens, a.reused_tokens, opened->state().engine().counts().encoded_images};
}

}  // namespace

TEST_CASE("disk cache: the next opening computes neither the image nor the beginning of the prompt", "[pipeline]") {
  const temporary_folder scratch("disk_cache");
  const std::string cache = scratch / "cache";
  const outcome without = ask_once(options()), first = ask_once(with_cache(cache)),
                second = ask_once(with_cache(cache));
  CHECK(first.tokens == without.tokens);
  CHECK(first.encoded_images == 1);
  CHECK(first.reused_tokens == 0);
  CHECK(second.tokens == without.tokens);
  CHECK(second.encoded_images == 0);
  CHECK(second.reused_tokens >= llava::kv_block);
  CHECK(second.reused_tokens % llava::kv_block == 0);
  CHECK((std::filesystem::status(cache).permissions() & std::filesystem::perms::all) ==
        std::filesystem::perms::owner_all);
  CHECK(files_in(cache).size() >= 2);
  for (const auto& file : files_in(cache))
    CHECK(std::filesystem::status(file).permissions() ==
          (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));

  SECTION("damaged files are replaced") {
    for (const auto& file : files_in(cache)) {
      std::fstream f(file, std::ios::binary | std::ios::in | std::ios::out);
      f.seekg(100);
      const int byte = f.get();
      f.seekp(100);
      f.put(static_cast<char>(byte ^ 1));
    }
    const outcome damaged = ask_once(with_cache(cache)), mended = ask_once(with_cache(cache));
    CHECK(damaged.tokens == without.tokens);
    CHECK(damaged.encoded_images == 1);
    CHECK(damaged.reused_tokens == 0);
    CHECK(mended.reused_tokens == second.reused_tokens);
  }
  SECTION("so are files that were cut off") {
    for (const auto& file : files_in(cache)) std::filesystem::resize_file(file, 40);
    const outcome damaged = ask_once(with_cache(cache));
    CHECK(damaged.tokens == without.tokens);
    CHECK(damaged.reused_tokens == 0);
  }
  SECTION("other kernels find nothing") {
    llava::simd generic;
    generic.isa = llava::simd_isa::generic;
    CHECK(ask_once<model_type>(with_cache(cache), folder, generic).encoded_images == 1);
  }
  SECTION("other weights find nothing") {
    using other = llava::pipeline<llava::any, llava::simd, llava::weights<float>>;
    CHECK(ask_once<other>(with_cache(cache)).encoded_images == 1);
  }
  SECTION("another configuration of the same weights finds nothing") {
    temporary_folder changed("disk_cache_model");
    changed.copy(folder);
    const std::string config = changed.read("config.json");
    const std::string other = replaced(config, "\"rope_theta\": 10000.0", "\"rope_theta\": 20000.0");
    REQUIRE(!other.empty());
    CHECK(ask_once(with_cache(cache), changed.path.string()).encoded_images == 1);  // the same files at another time
    CHECK(ask_once(with_cache(cache), changed.path.string()).encoded_images == 0);
    changed.write("config.json", other);
    const outcome found = ask_once(with_cache(cache), changed.path.string());
    CHECK(found.encoded_images == 1);
    CHECK(found.reused_tokens == 0);
  }
}

TEST_CASE("disk cache: the folder stays within its limit, and other files in it stay", "[pipeline]") {
  const temporary_folder scratch("disk_cache_limit");
  const std::string cache = scratch / "cache";
  std::filesystem::create_directories(cache);
  std::ofstream(cache + "/notes.kept") << "mine";
  auto made = llava::disk_cache::try_open(cache, {}, 10000);
  REQUIRE(made);
  const auto name = [](std::uint8_t i) { return llava::sha256_digest{{i}}; };
  const std::vector<std::byte> bytes(3000, std::byte{7});
  using kind = llava::disk_cache::kind;
  for (std::uint8_t i = 1; i <= 3; ++i) {
    REQUIRE((*made)->try_keep(kind::block, name(i), bytes));
    const auto& path = files_in(cache);
    CHECK(path.size() == std::size_t{i} + 1);
  }
  CHECK(!(*made)->find(kind::image, name(1)));
  std::filesystem::file_time_type time = std::filesystem::file_time_type::clock::now() - std::chrono::hours(1);
  for (const auto& file : files_in(cache)) std::filesystem::last_write_time(file, time);
  const auto found = (*made)->find(kind::block, name(2));  // is used now
  REQUIRE(found);
  CHECK(std::equal(bytes.begin(), bytes.end(), found->bytes().begin(), found->bytes().end()));
  REQUIRE((*made)->try_keep(kind::block, name(4), bytes));
  CHECK((*made)->find(kind::block, name(2)));
  CHECK((*made)->find(kind::block, name(4)));
  std::uintmax_t total = 0;
  for (const auto& file : files_in(cache)) total += std::filesystem::file_size(file);
  CHECK(total <= 10004);
  CHECK(scratch.read("cache/notes.kept") == "mine");
  REQUIRE((*made)->try_keep(kind::block, name(5), std::vector<std::byte>(20000)));  // larger than the limit
  CHECK(!(*made)->find(kind::block, name(5)));
}

TEST_CASE("disk cache: a disk that takes no more is an error of keeping, and not of an answer", "[pipeline]") {
  const temporary_folder scratch("disk_cache_full");
  llava::open_options o = with_cache(scratch / "cache");
  const model_type m = open(o);
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1000, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  auto chat = m.session();
  chat.settings = few(2);
  const auto answered = chat.try_ask(test_image(2), "What is this?");
  const auto kept = m.try_keep_cache();
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  REQUIRE(answered);
  REQUIRE(!kept);
  CHECK(std::string(kept.error().what()).find("cannot write") != std::string::npos);
  CHECK(files_in(scratch / "cache").empty());
}

TEST_CASE("disk cache: errors of its folder", "[pipeline]") {
  const temporary_folder scratch("disk_cache_errors");
  CHECK(!model_type::try_open(folder, with_cache(scratch / "none/cache")));
  CHECK(!model().try_keep_cache());
}
