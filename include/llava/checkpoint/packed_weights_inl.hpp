// SPDX-License-Identifier: Apache-2.0
/// Definitions of packed_weights.hpp.
#pragma once
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
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
#include <llava/text/shown.hpp>

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

/// The weight format in the name of a layout: "q4_0" of "q4_0 in panels of 16, 1".
inline std::string_view format_in(std::string_view layout) { return layout.substr(0, layout.find(' ')); }

inline result<void> try_match_source(const std::string& file, const stored_tensor& stored, std::string_view source) {
  if (text_of_bytes(stored) == source) return {};
  return fail(errc::mismatch, text_of("llava: ", file, " holds packed weights of another model, or of this one before ",
                                      "its files changed; give another name for the packed file, or remove it"));
}

/// Returns an error if `file` may not be replaced by these weights.
inline result<void> try_check_replaced(const std::string& file, std::string_view source,
                                       const std::vector<packed_weights::item>& items) {
  LLAVA_CHECK(try_recognise_packed(file));
  const auto there = safetensors_file::try_open(file);
  const stored_tensor* const stored_source = there ? there->find("source") : nullptr;
  if (!stored_source) return {};  // damaged
  LLAVA_CHECK(try_match_source(file, *stored_source, source));
  for (const packed_weights::item& i : items)
    if (const stored_tensor* t = there->find(i.name);
        t && !t->format.empty() && format_in(t->format) != format_in(i.layout))
      return fail(errc::mismatch, text_of("llava: the packed file ", file, " holds ", shown(i.name), " as ",
                                          shown(format_in(t->format)), ", expected ", format_in(i.layout),
                                          "; give another name for the packed file, or remove it"));
  return {};
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
    if (!stored_source || !sums) return packed_weights();
    LLAVA_CHECK(detail::try_match_source(file, *stored_source, source));
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
      LLAVA_CHECK(detail::try_check_replaced(place, source, items));
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

LLAVA_INLINE result<std::string> try_packed_format(const std::string& file) {
  return guarded([&]() -> result<std::string> {
    struct stat about {};
    if (::lstat(file.c_str(), &about) != 0 && errno == ENOENT) return std::string();
    LLAVA_CHECK(detail::try_recognise_packed(file));
    const auto opened = safetensors_file::try_open(file);
    if (!opened) return std::string();
    std::map<std::string, int> counts;
    opened->for_each([&](const stored_tensor& t) {
      if (!t.format.empty()) ++counts[std::string(detail::format_in(t.format))];
    });
    const auto most = std::max_element(counts.begin(), counts.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    return most == counts.end() ? std::string() : most->first;
  });
}

LLAVA_END
