// SPDX-License-Identifier: Apache-2.0
/// byte_trie: byte strings with values, as a tree in preorder, so that a walk is a scan that skips subtrees.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

namespace detail {

/// A token, and the number of code points that it begins in a string before it closes the string.
struct trie_value {
  std::int32_t token = 0;
  std::uint32_t characters = 0;
};

class byte_trie {
 public:
  struct node {
    std::uint32_t end = 0;    ///< the first node behind this subtree
    std::uint32_t first = 0;  ///< values()[first] … values()[first + count − 1] have the bytes of this path
    std::uint32_t count = 0;
    std::uint32_t depth = 0;  ///< number of bytes, 0 for the root
    unsigned char byte = 0;   ///< the last one
  };
  struct text {
    std::string_view bytes;
    trie_value value;
  };

  byte_trie() = default;
  explicit byte_trie(std::vector<text> texts) {
    std::sort(texts.begin(), texts.end(), [](const text& a, const text& b) {
      const int order = a.bytes.compare(b.bytes);
      return order < 0 || (order == 0 && a.value.token < b.value.token);
    });
    nodes_.emplace_back();
    std::vector<std::uint32_t> path{0};
    std::string_view before;
    for (const text& t : texts) {
      const auto same = static_cast<std::size_t>(
          std::mismatch(before.begin(), before.end(), t.bytes.begin(), t.bytes.end()).first - before.begin());
      for (; path.size() > same + 1; path.pop_back()) end(path.back());
      for (std::size_t i = same; i < t.bytes.size(); ++i) {
        path.push_back(static_cast<std::uint32_t>(nodes_.size()));
        nodes_.push_back({0, static_cast<std::uint32_t>(values_.size()), 0, static_cast<std::uint32_t>(i + 1),
                          static_cast<unsigned char>(t.bytes[i])});
      }
      ++nodes_[path.back()].count;
      values_.push_back(t.value);
      before = t.bytes;
    }
    for (const std::uint32_t open : path) end(open);
    for (const node& n : nodes_) deepest_ = (std::max)(deepest_, n.depth);
  }

  const std::vector<node>& nodes() const { return nodes_; }
  const std::vector<trie_value>& values() const { return values_; }
  std::uint32_t deepest() const { return deepest_; }

  /// Walks the subtree of node `top` from a state. step(state, byte) gives the next state, or a negative one to skip;
  /// visit(node, state) is called for every node reached except `top` itself. `path` is memory to use.
  template <class Step, class Visit>
  void walk(std::uint32_t top, std::int32_t state, std::vector<std::int32_t>& path, Step&& step, Visit&& visit) const {
    if (nodes_.empty()) return;
    const std::uint32_t base = nodes_[top].depth, stop = nodes_[top].end;
    path.resize(deepest_ + 1);
    path[base] = state;
    for (std::uint32_t i = top + 1; i < stop;) {
      const node& n = nodes_[i];
      const std::int32_t next = step(path[n.depth - 1], n.byte);
      if (next < 0) {
        i = n.end;
        continue;
      }
      path[n.depth] = next;
      visit(i, next);
      ++i;
    }
  }
  /// Calls f(value) for the values of the subtree of node i.
  template <class F>
  void each_value_below(std::uint32_t i, F&& f) const {
    const std::size_t stop = nodes_[i].end < nodes_.size() ? nodes_[nodes_[i].end].first : values_.size();
    for (std::size_t v = nodes_[i].first; v < stop; ++v) f(values_[v]);
  }

 private:
  void end(std::uint32_t i) { nodes_[i].end = static_cast<std::uint32_t>(nodes_.size()); }

  std::vector<node> nodes_;
  std::vector<trie_value> values_;
  std::uint32_t deepest_ = 0;
};

}  // namespace detail

LLAVA_END
