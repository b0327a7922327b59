// SPDX-License-Identifier: Apache-2.0
/// Definitions of sequence.hpp.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>

#include <llava/pipeline/sequence.hpp>

LLAVA_BEGIN

LLAVA_INLINE sequence::sequence(std::shared_ptr<block_allocator> pool, prepared_prompt prompt, std::size_t most,
                                const kv_key& root, bool named)
    : cache(std::move(pool)),
      tokens(std::move(prompt.tokens)),
      images(std::move(prompt.images)),
      encoded(images.size()),
      named_(named) {
  most = (std::max)(most, tokens.size());
  tokens.reserve(most);
  cache.expect(static_cast<int>(most));
  names_.reserve(most / static_cast<std::size_t>(kv_block) + 2);
  names_.push_back(root);
}

LLAVA_INLINE void sequence::reuse(function_ref<int(const kv_key&)> load) {
  constexpr auto block = static_cast<std::size_t>(kv_block);
  if (!named_ || cache.tokens() % kv_block != 0) return;
  auto at = static_cast<std::size_t>(cache.tokens());
  for (; at + block < tokens.size(); at += block) {
    compute_names(at / block + 1);
    const kv_key& name = names_[at / block + 1];
    int found = cache.allocator().find(name);
    if (found < 0) found = load(name);
    if (found < 0) break;
    cache.append(found, kv_block);
    ++blocks_named_;
  }
  compute_names(at / block);
  for (std::size_t n = (std::min)(block - 1, tokens.size() - at - 1); n > 0; --n) {
    const int found = cache.allocator().take(name_of(at + n), static_cast<int>(n));
    if (found < 0) continue;
    cache.append(found, static_cast<int>(n));
    return;
  }
}

LLAVA_INLINE const kv_key* sequence::next_name() {
  constexpr auto block = static_cast<std::size_t>(kv_block);
  const auto at = static_cast<std::size_t>(cache.tokens());
  if (!named_ || at % block != 0 || at + block >= tokens.size()) return nullptr;
  compute_names(at / block + 1);
  return &names_[at / block + 1];
}

LLAVA_INLINE void sequence::name_blocks() {
  if (!named_) return;
  const auto full = static_cast<std::size_t>(cache.tokens() / kv_block);
  compute_names(full);
  for (; blocks_named_ < full; ++blocks_named_)
    cache.allocator().name(cache.blocks()[blocks_named_], kv_block, names_[blocks_named_ + 1]);
}

LLAVA_INLINE void sequence::release() {
  name_blocks();
  const int last = cache.tokens() % kv_block;
  if (named_ && last != 0) {
    const auto full = static_cast<std::size_t>(cache.tokens() - last);
    for (int n = 1; n <= last; ++n)
      cache.allocator().name(cache.blocks().back(), n, name_of(full + static_cast<std::size_t>(n)));
  }
  cache.truncate(0);
  blocks_named_ = 0;
}

LLAVA_INLINE int sequence::missing_image() const {
  if (std::find(encoded.begin(), encoded.end(), nullptr) == encoded.end()) return -1;
  for (std::size_t i = static_cast<std::size_t>(cache.tokens()); i < tokens.size(); ++i)
    if (tokens[i].is_image() && !encoded[static_cast<std::size_t>(tokens[i].image())]) return tokens[i].image();
  return -1;
}

LLAVA_INLINE kv_key sequence::name_of(std::size_t end) const {
  const std::size_t block = (end - 1) / static_cast<std::size_t>(kv_block);
  sha256 h;
  h.update_value(names_[block]);
  for (std::size_t i = block * static_cast<std::size_t>(kv_block); i < end; ++i) {
    const prompt_token& t = tokens[i];
    h.update_value(std::array<std::int32_t, 2>{t.is_image() ? -1 : t.id, t.row});
    if (t.is_image()) h.update_value(images[static_cast<std::size_t>(t.image())].content());
  }
  return h.digest();
}

LLAVA_INLINE void sequence::compute_names(std::size_t count) {
  while (names_.size() <= count) names_.push_back(name_of(names_.size() * static_cast<std::size_t>(kv_block)));
}

LLAVA_END
