// SPDX-License-Identifier: Apache-2.0
/// packed_weights: the weights of a model as a backend lays them out, kept in a file, so that the next start maps them instead
/// of quantising and laying them out again. The file is a safetensors file of its own making:
///   <tensor>    U8, in the layout that its entry of `__metadata__` names ("q4_0 in panels of 16, 1"); alignment 64
///   checksums   U8, 8 bytes for each of those, in the order of their names
///   source      U8, a text: which files of which size and time the weights came from
/// A file that is not of this source, or damaged, counts as absent and is replaced. It is replaced in one step, so whoever has
/// the old one mapped keeps it.
#pragma once
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <llava/base/executor.hpp>
#include <llava/checkpoint/safetensors.hpp>
#include <llava/checkpoint/safetensors_writer.hpp>

LLAVA_BEGIN

namespace detail {
/// A checksum against damage, not against malice: four lanes of multiply and xor, as fast as memory.
inline std::uint64_t checksum_of(std::span<const std::byte> bytes) {
  constexpr std::uint64_t prime = 0x9e3779b97f4a7c15u;
  std::uint64_t lanes[4] = {prime, 2 * prime, 3 * prime, bytes.size()};
  std::size_t at = 0;
  for (; at + 32 <= bytes.size(); at += 32)
    for (std::size_t i = 0; i < 4; ++i) {
      std::uint64_t word;
      std::memcpy(&word, bytes.data() + at + 8 * i, 8);
      lanes[i] = (lanes[i] ^ word) * prime;
      lanes[i] ^= lanes[i] >> 29;
    }
  for (; at < bytes.size(); ++at) lanes[0] = (lanes[0] ^ std::to_integer<std::uint64_t>(bytes[at])) * prime;
  std::uint64_t all = 0;
  for (const std::uint64_t lane : lanes) all = (all ^ lane ^ (lane >> 31)) * prime;
  return all ^ (all >> 32);
}
}  // namespace detail

/// Laid-out weights, mapped.
class packed_weights {
 public:
  /// One tensor to be kept.
  struct item {
    std::string name, layout;
    std::span<const std::byte> bytes;
  };

  packed_weights() = default;

  /// The file, or nothing where it is absent, damaged or not of `source`. Reads all of it once, on `threads`.
  static packed_weights open(const std::string& file, std::string_view source, executor& threads) {
    packed_weights p;
    auto opened = safetensors_file::try_open(file);
    if (!opened) return {};
    p.file_ = *std::move(opened);
    const stored_tensor *about = p.file_.find("source"), *sums = p.file_.find("checksums");
    if (!about || !sums || text(*about) != source) return {};
    std::vector<const stored_tensor*> tensors;
    p.file_.for_each([&](const stored_tensor& t) {
      if (!t.format.empty()) tensors.push_back(&t);
    });
    if (sums->bytes.size() != 8 * tensors.size()) return {};
    std::vector<char> fits(tensors.size(), 0);
    threads.parallel_for(static_cast<int>(tensors.size()), [&](int i) {
      const auto at = static_cast<std::size_t>(i);
      std::uint64_t expected;
      std::memcpy(&expected, sums->bytes.data() + 8 * at, 8);
      fits[at] = detail::checksum_of(tensors[at]->bytes) == expected;
    });
    for (const char fit : fits)
      if (!fit) return {};
    p.usable_ = true;
    return p;
  }

  /// Writes `items`, in the order of their names, beside `file` and puts it in its place.
  static result<void> try_write(const std::string& file, std::string_view source, std::vector<item> items) {
    std::sort(items.begin(), items.end(), [](const item& a, const item& b) { return a.name < b.name; });
    std::vector<safetensors_plan> plan;
    std::vector<std::uint64_t> sums;
    for (const item& i : items) {
      plan.push_back({i.name, dtype::uint8, {i.bytes.size()}, i.layout});
      sums.push_back(detail::checksum_of(i.bytes));
    }
    plan.push_back({"checksums", dtype::uint8, {8 * sums.size()}, {}});
    plan.push_back({"source", dtype::uint8, {source.size()}, {}});
    const std::string partial = file + ".partial-" + std::to_string(::getpid());
    const auto write = [&]() -> result<void> {
      LLAVA_TRY(out, safetensors_writer::try_create(partial, plan));
      for (const item& i : items) LLAVA_CHECK(out.try_write(i.bytes));
      LLAVA_CHECK(out.try_write({reinterpret_cast<const std::byte*>(sums.data()), 8 * sums.size()}));
      LLAVA_CHECK(out.try_write({reinterpret_cast<const std::byte*>(source.data()), source.size()}));
      LLAVA_CHECK(out.try_finish());
      if (std::rename(partial.c_str(), file.c_str()) != 0)
        return fail(errc::io, text_of("llava: cannot rename ", partial, " to ", file));
      return {};
    };
    result<void> done = write();
    if (!done) std::remove(partial.c_str());
    return done;
  }

  explicit operator bool() const { return usable_; }

  /// The bytes of a tensor in a layout; empty when it is not there or is in another.
  std::span<const std::byte> find(std::string_view name, std::string_view layout) const {
    const stored_tensor* t = usable_ ? file_.find(name) : nullptr;
    return t && t->format == layout ? t->bytes : std::span<const std::byte>{};
  }

 private:
  static std::string_view text(const stored_tensor& t) {
    return {reinterpret_cast<const char*>(t.bytes.data()), t.bytes.size()};
  }
  safetensors_file file_;
  bool usable_ = false;
};

LLAVA_END
