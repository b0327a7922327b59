// SPDX-License-Identifier: Apache-2.0
/// zip_members: the members of a zip file in memory (PKWARE's APPNOTE.TXT 6.3), where they are stored without
/// compression, as torch stores them. Read from the central directory, with the 64-bit records; sizes in local headers
/// and data descriptors are not used.
///
/// Refused: compressed and encrypted members, which are named; members that overlap or leave the file; duplicate names;
/// local headers of another name; archives in several parts. A name is only compared, never used as a path.
#pragma once
#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/checkpoint/little_endian.hpp>
#include <llava/text/shown.hpp>

LLAVA_BEGIN

namespace detail {

/// The members of a zip file, by name. Views of its bytes.
class zip_members {
 public:
  /// `file`: for errors. `bytes`: the whole file.
  static result<zip_members> try_read(std::string_view file, std::string_view bytes) {
    zip_members z(file, bytes);
    LLAVA_CHECK(z.try_find_directory());
    LLAVA_CHECK(z.try_read_directory());
    return result<zip_members>(std::move(z));
  }

  std::optional<std::string_view> find(std::string_view name) const {
    const auto found = members_.find(name);
    return found == members_.end() ? std::nullopt : std::optional(found->second);
  }
  template <class F>
  void for_each(F&& f) const {
    for (const auto& [name, bytes] : members_) f(name, bytes);
  }
  std::string_view directory() const { return directory_; }

 private:
  zip_members(std::string_view file, std::string_view bytes) : file_(file), bytes_(bytes) {}

  error bad(std::string_view what) const {
    return fail(errc::invalid_format, text_of("llava: ", file_, ", a zip file, ", what));
  }
  /// The number of `width` bytes at `at`, which are in the file.
  std::uint64_t number(std::size_t at, std::size_t width) const { return little_endian(bytes_.substr(at, width)); }
  /// Whether `n` bytes at `at` are in the file, and begin with `signature`.
  bool is_record(std::uint64_t at, std::size_t n, std::string_view signature) const {
    return at <= bytes_.size() && bytes_.size() - at >= n && bytes_.substr(at, 4) == signature;
  }

  /// The end record is the last 22 bytes, or a comment of at most 65,535 bytes follows it.
  result<void> try_find_directory() {
    constexpr std::size_t end_size = 22, most_comment = 65535, locator_size = 20, end64_size = 56;
    std::size_t end = bytes_.size();
    for (std::size_t comment = 0; comment <= most_comment && comment + end_size <= bytes_.size(); ++comment) {
      const std::size_t at = bytes_.size() - end_size - comment;
      if (!is_record(at, end_size, "PK\x05\x06") || number(at + 20, 2) != comment) continue;
      end = at;
      break;
    }
    if (end == bytes_.size()) return bad("has no end record: it is cut off; download or copy it again");
    std::uint64_t parts = number(end + 4, 2) | number(end + 6, 2), here = number(end + 8, 2);
    std::uint64_t size = number(end + 12, 4), first = number(end + 16, 4);
    count_ = number(end + 10, 2);
    if (end >= locator_size && is_record(end - locator_size, locator_size, {"PK\x06\x07", 4})) {
      const std::uint64_t at = number(end - locator_size + 8, 8);
      if (!is_record(at, end64_size, "PK\x06\x06")) return bad("has no 64-bit end record where its locator says");
      const auto end64 = at;
      parts = number(end64 + 16, 4) | number(end64 + 20, 4), here = number(end64 + 24, 8);
      count_ = number(end64 + 32, 8), size = number(end64 + 40, 8), first = number(end64 + 48, 8);
      end = end64;
    }
    if (parts != 0 || here != count_) return bad("is one of several parts");
    if (first > end || size > end - first) return bad("has a directory that does not end before its end record");
    directory_ = bytes_.substr(first, size);
    return {};
  }

  result<void> try_read_directory() {
    const auto first = static_cast<std::size_t>(directory_.data() - bytes_.data());
    std::size_t at = first;
    const std::size_t end = first + directory_.size();
    std::vector<std::pair<std::size_t, std::size_t>> ranges;
    for (; at != end; --count_) {
      constexpr std::size_t entry_size = 46;
      if (count_ == 0) return bad("has more members than its end record says");
      if (end - at < entry_size || !is_record(at, entry_size, "PK\x01\x02")) return bad("has a damaged directory");
      const std::size_t name_size = number(at + 28, 2), extra_size = number(at + 30, 2),
                        comment_size = number(at + 32, 2);
      if (end - at - entry_size < name_size + extra_size + comment_size) return bad("has a damaged directory");
      const std::string_view name = bytes_.substr(at + entry_size, name_size);
      LLAVA_TRY(range, try_read_member(at, name, bytes_.substr(at + entry_size + name_size, extra_size), first));
      ranges.push_back(range);
      at += entry_size + name_size + extra_size + comment_size;
    }
    if (count_ != 0) return bad("has fewer members than its end record says");
    std::sort(ranges.begin(), ranges.end());
    for (std::size_t i = 1; i < ranges.size(); ++i)
      if (ranges[i].first < ranges[i - 1].second)
        return bad(text_of("has members that overlap at byte ", ranges[i].first));
    return {};
  }

  /// Adds the member whose directory entry is at `at`. Returns its range, local header included; `limit`: where the
  /// directory begins.
  result<std::pair<std::size_t, std::size_t>> try_read_member(std::size_t at, std::string_view name,
                                                              std::string_view extra, std::size_t limit) {
    constexpr std::size_t local_size = 30;
    std::uint64_t packed = number(at + 20, 4), size = number(at + 24, 4), local = number(at + 42, 4);
    if (number(at + 8, 2) & 1u) return bad(text_of("has the encrypted member ", shown(name)));
    if (number(at + 10, 2) != 0)
      return bad(text_of("has the compressed member ", shown(name),
                         ", and torch.save writes members without compression; ",
                         "load the file with torch and save it again"));
    LLAVA_CHECK(try_read_64_bits(extra, name, {&size, &packed, &local}));
    if (packed != size) return bad(text_of("has the member ", shown(name), " with two different sizes"));
    if (local > limit || limit - local < local_size || !is_record(local, local_size, "PK\x03\x04"))
      return bad(text_of("has no header for its member ", shown(name), " at byte ", local));
    const std::size_t name_size = number(local + 26, 2), extra_size = number(local + 28, 2);
    if (bytes_.substr(local + local_size, name_size) != name || number(local + 8, 2) != 0)
      return bad(text_of("describes its member ", shown(name), " in two different ways"));
    const std::size_t begin = local + local_size + name_size + extra_size;
    if (begin > limit || size > limit - begin)
      return bad(text_of("has ", size, " bytes of ", shown(name), " at byte ", begin, ", but its directory is at byte ",
                         limit));
    if (!members_.emplace(name, bytes_.substr(begin, size)).second)
      return bad(text_of("has two members called ", shown(name)));
    return std::pair<std::size_t, std::size_t>(local, begin + size);
  }

  /// Replaces the numbers that are 0xffffffff by those of the 64-bit extra field, which has only these.
  result<void> try_read_64_bits(std::string_view extra, std::string_view name,
                                std::initializer_list<std::uint64_t*> numbers) const {
    std::string_view wide;
    while (extra.size() >= 4) {
      const std::size_t size = little_endian(extra.substr(2, 2));
      if (size > extra.size() - 4) return bad(text_of("has a damaged extra field of ", shown(name)));
      if (little_endian(extra.substr(0, 2)) == 1) wide = extra.substr(4, size);
      extra.remove_prefix(4 + size);
    }
    for (std::uint64_t* n : numbers) {
      if (*n != 0xffffffff) continue;
      if (wide.size() < 8) return bad(text_of("has no 64-bit numbers for its member ", shown(name)));
      *n = little_endian(wide.substr(0, 8));
      wide.remove_prefix(8);
    }
    return {};
  }

  std::string_view file_, bytes_, directory_;
  std::uint64_t count_ = 0;
  std::map<std::string_view, std::string_view> members_;
};

}  // namespace detail

LLAVA_END
