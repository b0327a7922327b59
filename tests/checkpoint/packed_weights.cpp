// SPDX-License-Identifier: Apache-2.0
#include <llava/checkpoint/packed_weights.hpp>
#include <llava/checkpoint/partial_folder.hpp>
#include <llava/checkpoint/safetensors.hpp>
#include <llava/checkpoint/safetensors_writer.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <atomic>
#include <thread>

#include <llava_catch.hpp>
#include <temporary_folder.hpp>

namespace {

using namespace llava;

const std::string layout = "q8_0 in panels of 16, 1";

/// Two tensors of constant bytes, and their items for try_write.
struct weights {
  std::vector<std::byte> a, b;
  explicit weights(int value) : a(1000, std::byte(value)), b(70000, std::byte(value + 1)) {}
  std::vector<packed_weights::item> items() const { return {{"b", layout, b}, {"a", layout, a}}; }
  bool are_in(const packed_weights& p) const {
    const auto same = [&](const char* name, const std::vector<std::byte>& bytes) {
      const auto found = p.find(name, layout);
      return std::equal(found.begin(), found.end(), bytes.begin(), bytes.end());
    };
    return p && same("a", a) && same("b", b);
  }
};

result<packed_weights> opened(const std::string& file, std::string_view source = "source") {
  thread_pool one(1);
  return packed_weights::try_open(file, source, one);
}

std::size_t files_in(const temporary_folder& f) {
  std::size_t n = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(f.path)) ++n;
  return n;
}

/// Writes a safetensors file with two tensors whose bytes are all `value`.
void write_weights(const std::string& file, int value, const char* first, const char* second) {
  const std::vector<std::byte> small(100, std::byte(value)), large(100000, std::byte(value));
  auto out = safetensors_writer::try_create(
      file, {{first, dtype::uint8, {small.size()}, {}}, {second, dtype::uint8, {large.size()}, {}}});
  REQUIRE(out);
  REQUIRE((out->try_write(small) && out->try_write(large) && out->try_finish()));
}

}  // namespace

TEST_CASE("packed weights are read back for their source, and replaced when damaged") {
  temporary_folder f("packed");
  const std::string file = f / "w.packed";
  REQUIRE(opened(file));
  CHECK_FALSE(*opened(file));
  REQUIRE(packed_weights::try_write(file, "source", weights(1).items()));
  CHECK(weights(1).are_in(*opened(file)));
  REQUIRE(packed_weights::try_write(file, "source", weights(3).items()));
  CHECK(weights(3).are_in(*opened(file)));

  const std::string kept = f.read("w.packed");
  for (const std::size_t at : {std::size_t{3}, std::size_t{90}, kept.size() / 2}) {
    std::string damaged = kept;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    f.write("w.packed", damaged);
    REQUIRE(opened(file));
    CHECK_FALSE(*opened(file));
  }
  f.write("w.packed", kept.substr(0, kept.size() / 3));
  CHECK_FALSE(*opened(file));
  REQUIRE(packed_weights::try_write(file, "source", weights(3).items()));
  CHECK(f.read("w.packed") == kept);
  CHECK(files_in(f) == 1);
}

TEST_CASE("packed weights of another model or another format are kept, those of another processor are not") {
  temporary_folder f("packed_others_of_ours");
  const std::string file = f / "w.packed";
  CHECK(try_packed_format(file)->empty());
  REQUIRE(packed_weights::try_write(file, "source", weights(1).items()));
  CHECK(*try_packed_format(file) == "q8_0");
  const std::string kept = f.read("w.packed");
  const std::string sentence = "llava: " + file + " holds packed weights of another model, or of this one before its " +
                               "files changed; give another name for the packed file, or remove it";
  REQUIRE_FALSE(opened(file, "another"));
  CHECK(opened(file, "another").error().sentence() == sentence);
  CHECK(packed_weights::try_write(file, "another", weights(2).items()).error().sentence() == sentence);

  const weights bytes(2);
  std::vector<packed_weights::item> items = bytes.items();
  items[0].layout = "q4_0 in panels of 16, 1";
  CHECK(packed_weights::try_write(file, "source", items).error().sentence() ==
        "llava: the packed file " + file +
            " holds b as q8_0, expected q4_0; give another name for the packed file, or " + "remove it");
  CHECK(f.read("w.packed") == kept);
  for (packed_weights::item& i : items) i.layout = "q8_0 in panels of 8, 1";
  REQUIRE(packed_weights::try_write(file, "source", items));
  CHECK(f.read("w.packed") != kept);

  f.write("text", "a thesis").write("torn", kept.substr(0, 200));
  CHECK(try_packed_format(f / "torn")->empty());
  CHECK(try_packed_format(f / "text").error().sentence().find("is not a file of packed weights") != std::string::npos);
}

TEST_CASE("a file that does not hold packed weights is never overwritten") {
  temporary_folder f("packed_others");
  f.write("text", "a thesis").write("empty", "").write("folder/x", "");
  write_weights(f / "model.safetensors", 7, "a", "b");
  REQUIRE(::mkfifo((f / "pipe").c_str(), 0600) == 0);
  std::filesystem::create_symlink(f / "text", f / "link");
  std::filesystem::create_symlink(f / "nothing", f / "dangling");
  const std::string model = f.read("model.safetensors");
  for (const char* name : {"text", "empty", "model.safetensors", "link", "folder", "pipe", "dangling"}) {
    INFO(name);
    const auto refused = opened(f / name);
    REQUIRE_FALSE(refused);
    INFO(refused.error().sentence());
    CHECK(refused.error().sentence().find(f / name) != std::string::npos);
    CHECK_FALSE(packed_weights::try_write(f / name, "source", weights(1).items()));
  }
  CHECK(opened(f / "text").error().sentence() ==
        "llava: " + (f / "text") +
            " already exists and is not a file of packed weights; give another name for the packed "
            "file, or remove it");
  CHECK(f.read("text") == "a thesis");
  CHECK(f.read("model.safetensors") == model);
  CHECK(std::filesystem::is_symlink(f / "link"));
  CHECK(std::filesystem::is_symlink(f / "dangling"));
  CHECK(files_in(f) == 7);
  CHECK(opened("/dev/null").error().sentence().find("/dev/null is not a regular file") != std::string::npos);
  CHECK(opened(f / "absent/w").error().sentence().find(": No such file or directory") != std::string::npos);
}

TEST_CASE("a link to packed weights stays a link") {
  temporary_folder f("packed_link");
  std::filesystem::create_directory(f / "there");
  REQUIRE(packed_weights::try_write(f / "there/w.packed", "one", weights(1).items()));
  std::filesystem::create_symlink("there/w.packed", f / "link");
  CHECK(weights(1).are_in(*opened(f / "link", "one")));
  REQUIRE(packed_weights::try_write(f / "link", "one", weights(2).items()));
  CHECK(std::filesystem::is_symlink(f / "link"));
  CHECK(weights(2).are_in(*opened(f / "there/w.packed", "one")));
}

TEST_CASE("the identity of files changes with the weights, even if size and time are equal") {
  temporary_folder f("identity");
  std::vector<std::string> all;
  const auto add = [&](int value, const char* first, const char* second) {
    std::filesystem::remove(f / "model.safetensors");
    write_weights(f / "model.safetensors", value, first, second);
    const ::timespec then[] = {{1700000000, 0}, {1700000000, 0}};
    REQUIRE(::utimensat(AT_FDCWD, (f / "model.safetensors").c_str(), then, 0) == 0);
    all.push_back(safetensors_folder::try_open(f.path.string())->identity());
  };
  add(1, "a", "b");
  add(1, "a", "b");
  CHECK(all[0] == all[1]);
  add(2, "a", "b");
  add(1, "b", "a");
  CHECK(all[2] != all[0]);
  CHECK(all[3] != all[0]);
  CHECK(all[2].substr(0, all[0].rfind(',')) == all[0].substr(0, all[0].rfind(',')));  // size and time

  // Rewritten in place: one of the two tensors changes.
  std::string bytes = f.read("model.safetensors");
  for (std::size_t i = bytes.size() - 100000; i < bytes.size(); ++i) bytes[i] = 9;
  std::ofstream(f / "model.safetensors", std::ios::binary | std::ios::in) << bytes;
  CHECK(safetensors_folder::try_open(f.path.string())->identity() != all[3]);
}

TEST_CASE("several threads and processes write one file at once: all succeed, one file results") {
  temporary_folder f("packed_race");
  const std::string file = f / "w.packed";
  const auto work = [&](int times) {
    bool good = true;
    for (int i = 0; i < times; ++i) {
      const auto before = opened(file);
      good = good && before && (!*before || weights(1).are_in(*before));
      good = good && packed_weights::try_write(file, "source", weights(1).items());
    }
    return good;
  };
  std::vector<::pid_t> children;
  for (int i = 0; i < 3; ++i) {
    const ::pid_t child = ::fork();
    if (child == 0) ::_exit(work(10) ? 0 : 1);
    children.push_back(child);
  }
  std::atomic<int> good{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back([&] { good += work(10); });
  }
  CHECK(good == 4);
  for (const ::pid_t child : children) {
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
  CHECK(weights(1).are_in(*opened(file)));
  CHECK(files_in(f) == 1);
}

TEST_CASE("files left by a crash are removed by the next writer; files being written are not") {
  temporary_folder f("packed_crash");
  const std::string prefix = f / "w.packed.partial-";
  for (int i = 0; i < 3; ++i) {
    const ::pid_t child = ::fork();
    if (child == 0) {
      const auto left = partial_folder::try_make(prefix);
      const bool made = left && std::ofstream(left->path() + "/weights").put('x').flush().good();
      ::_exit(made ? 0 : 1);  // no destructor runs
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    CHECK(files_in(f) == 1);
  }
  const auto alive = partial_folder::try_make(prefix);
  REQUIRE(alive);
  std::ofstream(alive->path() + "/weights") << "half";
  f.write("w.packed.partial-notes/mine", "kept").write("w.packed.partial-0123456789abcdef0/mine", "kept");
  REQUIRE(packed_weights::try_write(f / "w.packed", "source", weights(1).items()));
  CHECK(std::filesystem::exists(alive->path() + "/weights"));
  CHECK(f.read("w.packed.partial-notes/mine") == "kept");
  CHECK(f.read("w.packed.partial-0123456789abcdef0/mine") == "kept");
  CHECK(files_in(f) == 4);
}
