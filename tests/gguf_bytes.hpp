// SPDX-License-Identifier: Apache-2.0
/// Writes GGUF files for tests, sound ones and broken ones.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

/// A GGUF file in memory. Every part may be replaced by a wrong one.
struct gguf_bytes {
  std::string magic = "GGUF";
  std::uint32_t version = 3;
  std::uint64_t extra_keys = 0, extra_tensors = 0;  ///< added to the counts of the header
  std::uint64_t alignment = 32;
  std::string keys, infos, data;
  std::uint64_t key_count = 0, tensor_count = 0;

  template <class T>
  static std::string number(T value) {
    std::string bytes(sizeof(T), '\0');
    std::memcpy(bytes.data(), &value, sizeof(T));
    return bytes;
  }
  static std::string text(std::string_view s) { return number(std::uint64_t{s.size()}) + std::string(s); }

  /// A key whose value has these bytes.
  gguf_bytes& raw(std::string_view name, std::uint32_t type, const std::string& value) {
    keys += text(name) + number(type) + value;
    ++key_count;
    return *this;
  }
  gguf_bytes& raw_array(std::string_view name, std::uint32_t type, std::uint64_t count, const std::string& elements) {
    return raw(name, 9, number(type) + number(count) + elements);
  }
  gguf_bytes& key(std::string_view name, std::uint32_t v) { return raw(name, 4, number(v)); }
  gguf_bytes& key(std::string_view name, int v) { return raw(name, 5, number(std::int32_t{v})); }
  gguf_bytes& key(std::string_view name, float v) { return raw(name, 6, number(v)); }
  gguf_bytes& key(std::string_view name, bool v) { return raw(name, 7, number(std::uint8_t{v})); }
  gguf_bytes& key(std::string_view name, const char* v) { return raw(name, 8, text(v)); }
  gguf_bytes& key(std::string_view name, const std::string& v) { return raw(name, 8, text(v)); }
  gguf_bytes& key(std::string_view name, const std::vector<std::string>& v) {
    std::string all;
    for (const std::string& s : v) all += text(s);
    return raw_array(name, 8, v.size(), all);
  }
  gguf_bytes& key(std::string_view name, const std::vector<float>& v) { return numbers(name, 6, v); }
  gguf_bytes& key(std::string_view name, const std::vector<std::int32_t>& v) { return numbers(name, 5, v); }

  /// A tensor with these extents, the contiguous one first, and these bytes, at the next multiple of the alignment.
  gguf_bytes& tensor(std::string_view name, const std::vector<std::uint64_t>& extents, std::uint32_t type,
                     const std::string& bytes) {
    const std::uint64_t offset = data.size();
    data += bytes;
    if (alignment > 0) data.resize((data.size() + alignment - 1) / alignment * alignment);
    return info(name, extents, type, offset);
  }
  /// A tensor without bytes of its own.
  gguf_bytes& info(std::string_view name, const std::vector<std::uint64_t>& extents, std::uint32_t type,
                   std::uint64_t offset) {
    infos += text(name) + number(static_cast<std::uint32_t>(extents.size()));
    for (const std::uint64_t e : extents) infos += number(e);
    infos += number(type) + number(offset);
    ++tensor_count;
    return *this;
  }

  std::string bytes() const {
    std::string all =
        magic + number(version) + number(tensor_count + extra_tensors) + number(key_count + extra_keys) + keys + infos;
    if (alignment > 0) all.resize((all.size() + alignment - 1) / alignment * alignment);
    return all + data;
  }

 private:
  template <class T>
  gguf_bytes& numbers(std::string_view name, std::uint32_t type, const std::vector<T>& v) {
    std::string all;
    for (const T& n : v) all += number(n);
    return raw_array(name, type, v.size(), all);
  }
};
