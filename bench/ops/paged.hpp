// SPDX-License-Identifier: Apache-2.0
/// One layer of the KV cache of one sequence with its blocks in shuffled order, and the rows of a step that ends at
/// `depth`. `layer(i)` cycles through enough layers that no cache holds them all.
#pragma once
#include <llava/ops/attention.hpp>

#include "../memory.hpp"

namespace bench {

template <class T>
class paged_sequence {
 public:
  paged_sequence(int tokens, int depth, int kv_heads, int dim)
      : heads_(kv_heads),
        dim_(dim),
        blocks_((depth + llava::kv_block - 1) / llava::kv_block),
        table_(1, blocks_),
        positions_(1, tokens),
        sequences_(1, tokens),
        slots_(1, tokens),
        layers_(std::max<std::ptrdiff_t>(
            1, static_cast<std::ptrdiff_t>(pool_bytes() / (2 * sizeof(T))) / layer_elements())),
        memory_(layers_, 2 * layer_elements()) {
    for (std::ptrdiff_t m = 0; m < blocks_; ++m)  // a permutation: 7 is coprime to blocks_, else a reversal
      table_.values()[static_cast<std::size_t>(m)] =
          static_cast<std::int32_t>(blocks_ % 7 ? (m * 7 + 2) % blocks_ : blocks_ - 1 - m);
    for (int t = 0; t < tokens; ++t) {
      const int p = depth - tokens + t;
      const auto at = static_cast<std::size_t>(t);
      positions_.values()[at] = p;
      sequences_.values()[at] = 0;
      slots_.values()[at] = static_cast<std::int32_t>(slot(p));
    }
  }

  llava::step_rows rows() const { return {positions_, sequences_, slots_, table_}; }
  llava::kv_view<T> layer(std::size_t i) const {
    T* keys = memory_.values().data() + static_cast<std::ptrdiff_t>(i) % layers_ * 2 * layer_elements();
    return {keys, keys + layer_elements(), heads_, dim_};
  }
  double key(const llava::kv_view<T>& c, std::ptrdiff_t position, std::ptrdiff_t head, std::ptrdiff_t i) const {
    const std::ptrdiff_t s = slot(position), block = s / llava::kv_block * heads_ + head;
    return static_cast<double>(
        llava::to_float(c.keys[block * dim_ * llava::kv_block + i * llava::kv_block + s % llava::kv_block]));
  }
  double value(const llava::kv_view<T>& c, std::ptrdiff_t position, std::ptrdiff_t head, std::ptrdiff_t i) const {
    const std::ptrdiff_t s = slot(position), block = s / llava::kv_block * heads_ + head;
    return static_cast<double>(
        llava::to_float(c.values[block * dim_ * llava::kv_block + s % llava::kv_block * dim_ + i]));
  }

 private:
  std::ptrdiff_t layer_elements() const { return blocks_ * llava::kv_block * heads_ * dim_; }
  std::ptrdiff_t slot(std::ptrdiff_t position) const {
    return std::ptrdiff_t{table_.values()[static_cast<std::size_t>(position / llava::kv_block)]} * llava::kv_block +
           position % llava::kv_block;
  }

  int heads_, dim_;
  std::ptrdiff_t blocks_;
  array<std::int32_t> table_, positions_, sequences_, slots_;
  std::ptrdiff_t layers_;
  array<T> memory_;
};

}  // namespace bench
