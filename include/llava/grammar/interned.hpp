// SPDX-License-Identifier: Apache-2.0
/// interned: numbers for sequences, equal ones stored once. number_map: numbers for 64-bit keys. If an allocation
/// fails, both keep what they had.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <llava/text/vocabulary.hpp>

LLAVA_BEGIN

namespace detail {

/// Maps keys to numbers, by open addressing.
class number_map {
 public:
  const std::int32_t* find(std::uint64_t key) const {
    if (slots_.empty()) return nullptr;
    const slot& s = slots_[slot_of(key)];
    return s.used ? &s.number : nullptr;
  }
  void set(std::uint64_t key, std::int32_t number) {
    if (2 * (used_ + 1) > slots_.size()) grow();
    slot& s = slots_[slot_of(key)];
    used_ += !s.used;
    s = {key, number, true};
  }
  void clear() {
    if (slots_.size() > 256)
      slots_.clear();  // small again: clearing must not cost more than the few keys of the next use
    else
      std::fill(slots_.begin(), slots_.end(), slot{});
    used_ = 0;
  }
  std::size_t bytes() const { return slots_.size() * sizeof(slot); }

 private:
  struct slot {
    std::uint64_t key = 0;
    std::int32_t number = 0;
    bool used = false;
  };
  std::size_t slot_of(std::uint64_t key) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = mixed(key) & mask;
    while (slots_[at].used && slots_[at].key != key) at = (at + 1) & mask;
    return at;
  }
  void grow() {
    std::vector<slot> old(slots_.empty() ? 16 : 2 * slots_.size());
    old.swap(slots_);
    for (const slot& s : old)
      if (s.used) slots_[slot_of(s.key)] = s;
  }

  std::vector<slot> slots_;  // size a power of two, at most half full
  std::size_t used_ = 0;
};

/// Sequences of T, each with a tag, numbered from 0.
template <class T>
class interned {
 public:
  /// The number of this sequence with this tag, which may be new.
  std::int32_t number_of(std::span<const T> values, std::uint32_t tag) {
    static_assert(std::has_unique_object_representations_v<T>, "llava: sequences are compared by their bytes");
    std::uint64_t hash = tag + 1;
    for (const T& v : values) {
      unsigned char bytes[sizeof(T)];
      std::memcpy(bytes, &v, sizeof v);
      for (const unsigned char b : bytes) hash = (hash ^ b) * 0x100000001b3u;
    }
    hash = mixed(hash);
    if (2 * (ranges_.size() + 1) > slots_.size()) grow();
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = hash & mask;
    for (; slots_[at] >= 0; at = (at + 1) & mask) {
      const range& r = ranges_[static_cast<std::size_t>(slots_[at])];
      if (r.hash == hash && r.tag == tag && std::ranges::equal((*this)[slots_[at]], values)) return slots_[at];
    }
    ranges_.reserve(ranges_.size() + 1 > ranges_.capacity() ? 2 * ranges_.size() + 16 : 0);
    const std::size_t first = values_.size();
    values_.insert(values_.end(), values.begin(), values.end());
    ranges_.push_back({hash, first, values.size(), tag});
    return slots_[at] = static_cast<std::int32_t>(ranges_.size() - 1);
  }
  std::span<const T> operator[](std::int32_t number) const {
    const range& r = ranges_[static_cast<std::size_t>(number)];
    return {values_.data() + r.first, r.count};
  }
  std::uint32_t tag(std::int32_t number) const { return ranges_[static_cast<std::size_t>(number)].tag; }
  std::size_t bytes() const {
    return values_.capacity() * sizeof(T) + ranges_.capacity() * sizeof(range) + slots_.size() * sizeof(std::int32_t);
  }

 private:
  struct range {
    std::uint64_t hash;
    std::size_t first, count;
    std::uint32_t tag;
  };
  void grow() {
    std::vector<std::int32_t> larger(slots_.empty() ? 64 : 2 * slots_.size(), -1);
    const std::size_t mask = larger.size() - 1;
    for (std::size_t i = 0; i < ranges_.size(); ++i) {
      std::size_t at = ranges_[i].hash & mask;
      while (larger[at] >= 0) at = (at + 1) & mask;
      larger[at] = static_cast<std::int32_t>(i);
    }
    slots_.swap(larger);
  }

  std::vector<T> values_;
  std::vector<range> ranges_;
  std::vector<std::int32_t> slots_;  // size a power of two, at most half full; −1: free
};

}  // namespace detail

LLAVA_END
