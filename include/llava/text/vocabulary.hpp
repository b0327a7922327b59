// SPDX-License-Identifier: Apache-2.0
/// vocabulary: maps ids to texts and back; merge_table: maps two ids to their merge. Both use open addressing: a lookup
/// copies nothing and usually takes one probe.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/text/bpe.hpp>

LLAVA_BEGIN

namespace detail {
constexpr std::uint64_t mixed(std::uint64_t h) {
  h ^= h >> 32;
  h *= 0xd6e8feb86659fd93u;
  h ^= h >> 32;
  return h;
}
constexpr std::uint64_t hash_of(std::string_view s) {
  std::uint64_t h = 0xcbf29ce484222325u;
  for (const char c : s) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return mixed(h);
}
}  // namespace detail

/// Ids 0 … size()−1, each with a text. Several ids may have the same text. find() returns only indexed ids.
class vocabulary {
 public:
  std::size_t size() const { return texts_.size(); }
  /// Empty if there is no such id.
  std::string_view text(std::int32_t id) const {
    return id >= 0 && static_cast<std::size_t>(id) < texts_.size()
               ? std::string_view(texts_[static_cast<std::size_t>(id)])
               : std::string_view();
  }
  /// Must be called before index(id).
  void set(std::int32_t id, std::string text) {
    if (static_cast<std::size_t>(id) >= texts_.size()) texts_.resize(static_cast<std::size_t>(id) + 1);
    texts_[static_cast<std::size_t>(id)] = std::move(text);
  }
  /// Makes an id findable; returns false if another indexed id has the same text.
  bool index(std::int32_t id) {
    if (2 * (indexed_ + 1) > slots_.size()) grow();
    const std::size_t slot = slot_of(text(id));
    if (slots_[slot] >= 0) return slots_[slot] == id;
    slots_[slot] = id;
    ++indexed_;
    if (text(id).size() > longest_) longest_ = text(id).size();
    return true;
  }
  /// The id that has this text, or −1.
  std::int32_t find(std::string_view text) const {
    return text.size() > longest_ || slots_.empty() ? -1 : slots_[slot_of(text)];
  }

 private:
  std::size_t slot_of(std::string_view text) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t slot = detail::hash_of(text) & mask;
    while (slots_[slot] >= 0 && texts_[static_cast<std::size_t>(slots_[slot])] != text) slot = (slot + 1) & mask;
    return slot;
  }
  void grow() {
    const std::vector<std::int32_t> old =
        std::exchange(slots_, std::vector<std::int32_t>(slots_.empty() ? 64 : 2 * slots_.size(), -1));
    for (const std::int32_t id : old)
      if (id >= 0) slots_[slot_of(text(id))] = id;
  }

  std::vector<std::string> texts_;
  std::vector<std::int32_t> slots_;  // size a power of two, at most half full; −1: free
  std::size_t indexed_ = 0, longest_ = 0;
};

/// Maps (left, right) to their merge.
class merge_table {
 public:
  std::size_t size() const { return used_; }
  /// Replaces an earlier merge of the pair.
  void set(std::int32_t left, std::int32_t right, bpe_merge merge) {
    if (2 * (used_ + 1) > slots_.size()) grow();
    entry& e = slots_[slot_of(key(left, right))];
    if (e.merge.id < 0) ++used_;
    e = {key(left, right), merge};
  }
  bool find(std::int32_t left, std::int32_t right, bpe_merge& merge) const {
    if (left < 0 || right < 0 || slots_.empty()) return false;
    const entry& e = slots_[slot_of(key(left, right))];
    if (e.merge.id < 0) return false;
    merge = e.merge;
    return true;
  }
  /// Calls f(left, right, merge) for each merge, in unspecified order.
  template <class F>
  void each(F&& f) const {
    for (const entry& e : slots_)
      if (e.merge.id >= 0)
        f(static_cast<std::int32_t>(e.pair >> 32), static_cast<std::int32_t>(e.pair & 0xffffffff), e.merge);
  }

 private:
  struct entry {
    std::uint64_t pair = 0;
    bpe_merge merge;  // id −1: free
  };
  static constexpr std::uint64_t key(std::int32_t left, std::int32_t right) {
    return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
  }
  std::size_t slot_of(std::uint64_t pair) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t slot = detail::mixed(pair) & mask;
    while (slots_[slot].merge.id >= 0 && slots_[slot].pair != pair) slot = (slot + 1) & mask;
    return slot;
  }
  void grow() {
    const std::vector<entry> old = std::exchange(slots_, std::vector<entry>(slots_.empty() ? 64 : 2 * slots_.size()));
    for (const entry& e : old)
      if (e.merge.id >= 0) slots_[slot_of(e.pair)] = e;
  }

  std::vector<entry> slots_;  // size a power of two, at most half full
  std::size_t used_ = 0;
};

LLAVA_END
