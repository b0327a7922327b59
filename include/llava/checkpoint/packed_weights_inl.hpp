// SPDX-License-Identifier: Apache-2.0
/// Definitions of packed_weights.hpp.
#pragma once
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <llava/base/guard.hpp>
#include <llava/checkpoint/checksum.hpp>
#include <llava/checkpoint/folder.hpp>
#include <llava/checkpoint/packed_weights.hpp>
#include <llava/checkpoint/partial_folder.hpp>
#include <llava/checkpoint/safetensors.hpp>
#include <llava/checkpoint/safetensors_writer.hpp>

LLAVA_BEGIN

namespace detail {

inline constexpr std::string_view packed_format = "llava packed weights";

/// Returns an error unless `file` begins as a file of packed weights does.
inline result<void> try_recognise_packed(const std::string& file) {
  LLAVA_TRY(mapped, mapped_file::try_open(file));
  const std::string start = text_of("{\"__metadata__\":{\"format\":\"", packed_format, "\"");
  const auto bytes = mapped.bytes();
  if (bytes.size() >= 8 + start.size() && std::memcmp(bytes.data() + 8, start.data(), start.size()) == 0) return {};
  return fail(errc::invalid_argument, text_of("llava: ", file, " already exists and is not a file of packed weights; ",
                                              "give another name for the packed file, or remove it"));
}

inline std::string_view text_of_bytes(const stored_tensor& t) {
  return {reinterpret_cast<const char*>(t.bytes.data()), t.bytes.size()};
}

}  // namespace detail

LLAVA_INLINE result<packed_weights> packed_weights::try_open(const std::string& file, std::string_view source,
                                                             executor& threads) {
  return guarded([&]() -> result<packed_weights> {
    struct stat about {};
    if (::lstat(file.c_str(), &about) != 0 && errno == ENOENT) {
      const std::string folder = file.substr(0, file.rfind('/') + 1);
      if (::access(folder.empty() ? "." : folder.c_str(), W_OK) != 0)  // reported before the weights are packed
        return fail_of_system(errno, "llava: cannot write the packed file ", file);
      return packed_weights();
    }
    LLAVA_CHECK(detail::try_recognise_packed(file));
    auto opened = safetensors_file::try_open(file);
    if (!opened) return packed_weights();
    const auto kept = std::make_shared<const safetensors_file>(*std::move(opened));
    const stored_tensor *stored_source = kept->find("source"), *sums = kept->find("checksums");
    if (!stored_source || !sums || detail::text_of_bytes(*stored_source) != source) return packed_weights();
    std::vector<const stored_tensor*> tensors;
    kept->for_each([&](const stored_tensor& t) {
      if (!t.format.empty()) tensors.push_back(&t);
    });
    if (sums->bytes.size() != 8 * tensors.size()) return packed_weights();
    std::vector<char> fits(tensors.size(), 0);
    threads.parallel_for(static_cast<int>(tensors.size()), [&](int i) {
      const auto at = static_cast<std::size_t>(i);
      std::uint64_t expected;
      std::memcpy(&expected, sums->bytes.data() + 8 * at, 8);
      fits[at] = detail::checksum_of(tensors[at]->bytes) == expected;
    });
    for (const char fit : fits)
      if (!fit) return packed_weights();
    packed_weights p;
    p.file_ = kept;
    return result<packed_weights>(std::move(p));
  });
}

LLAVA_INLINE result<void> packed_weights::try_write(const std::string& file, std::string_view source,
                                                    std::vector<item> items) {
  return guarded([&]() -> result<void> {
    std::sort(items.begin(), items.end(), [](const item& a, const item& b) { return a.name < b.name; });
    std::vector<safetensors_plan> plan;
    std::vector<std::uint64_t> sums;
    for (const item& i : items) {
      plan.push_back({i.name, dtype::uint8, {i.bytes.size()}, i.layout});
      sums.push_back(detail::checksum_of(i.bytes));
    }
    plan.push_back({"checksums", dtype::uint8, {8 * sums.size()}, {}});
    plan.push_back({"source", dtype::uint8, {source.size()}, {}});
    const std::string place = detail::resolved_path(file);
    LLAVA_TRY(folder, partial_folder::try_make(place + ".partial-"));
    const std::string partial = folder.path() + "/weights";
    LLAVA_TRY(out, safetensors_writer::try_create(partial, plan, detail::packed_format));
    for (const item& i : items) LLAVA_CHECK(out.try_write(i.bytes));
    LLAVA_CHECK(out.try_write({reinterpret_cast<const std::byte*>(sums.data()), 8 * sums.size()}));
    LLAVA_CHECK(out.try_write({reinterpret_cast<const std::byte*>(source.data()), source.size()}));
    LLAVA_CHECK(out.try_finish());
    int failure = detail::move_to_free_place(partial, place);
    if (failure == EEXIST) {
      LLAVA_CHECK(detail::try_recognise_packed(place));
      failure = std::rename(partial.c_str(), place.c_str()) == 0 ? 0 : errno;
    }
    if (failure != 0) return fail_of_system(failure, "llava: cannot rename ", partial, " to ", place);
    return {};
  });
}

LLAVA_INLINE std::span<const std::byte> packed_weights::find(std::string_view name, std::string_view layout) const {
  const stored_tensor* t = file_ ? file_->find(name) : nullptr;
  return t && t->format == layout ? t->bytes : std::span<const std::byte>{};
}

LLAVA_END
