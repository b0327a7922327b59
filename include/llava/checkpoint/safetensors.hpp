// SPDX-License-Identifier: Apache-2.0
/// safetensors: a u64 length, a JSON header, raw data. https://github.com/huggingface/safetensors (format section of
/// its README). Everything that the format forbids is refused (R2): headers over 100,000,000 bytes or not beginning
/// with '{', duplicate names, holes, overlaps, data past the end, sizes that do not match shape and type.
///
/// An entry of `__metadata__` whose key is a tensor's name states the block format of that tensor's rows, as `llava
/// quantize` writes it: {"__metadata__": {"model.layers.0.mlp.up_proj.weight": "q4_0", …}, …}.
///
/// safetensors_folder maps model.safetensors, or else the shards that model.safetensors.index.json names; no data is
/// read.
#pragma once
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include <llava/base/guard.hpp>
#include <llava/checkpoint/file_identity.hpp>
#include <llava/checkpoint/json.hpp>
#include <llava/checkpoint/tensor_folder.hpp>
#include <llava/checkpoint/tensor_source.hpp>
#include <llava/tensor/mapped_file.hpp>
#include <llava/text/shown.hpp>

LLAVA_BEGIN

namespace detail {

/// A safetensors dtype: its name, its element size, and our dtype where `known`.
struct safetensors_type {
  std::string_view name;
  std::size_t bytes;
  dtype type;
  bool known;
};
inline constexpr safetensors_type safetensors_types[] = {
    {"F32", 4, dtype::float32, true}, {"F16", 2, dtype::float16, true},    {"BF16", 2, dtype::bfloat16, true},
    {"I64", 8, dtype::int64, true},   {"I32", 4, dtype::int32, true},      {"U8", 1, dtype::uint8, true},
    {"F64", 8, dtype::uint8, false},  {"I16", 2, dtype::uint8, false},     {"I8", 1, dtype::int8, true},
    {"BOOL", 1, dtype::uint8, false}, {"U16", 2, dtype::uint8, false},     {"U32", 4, dtype::uint8, false},
    {"U64", 8, dtype::uint8, false},  {"F8_E4M3", 1, dtype::uint8, false}, {"F8_E5M2", 1, dtype::uint8, false}};

/// One entry of the header, and the range of its bytes in the data.
struct safetensors_entry {
  stored_tensor tensor;
  std::size_t begin = 0, end = 0;
};

inline result<safetensors_entry> try_read_entry(const std::string& file, std::string_view name, const json_value& v,
                                                std::span<const std::byte> data) {
  const auto bad = [&](std::string_view what) {
    return fail(errc::invalid_format, text_of("llava: ", file, ": tensor ", shown(name), ": ", what));
  };
  const json_value *type = v.find("dtype"), *shape = v.find("shape"), *offsets = v.find("data_offsets");
  if (!type || !type->text() || !shape || !shape->is_array() || !offsets || offsets->items().size() != 2 ||
      v.members().size() != 3)
    return bad("its header entry must have dtype, shape and data_offsets, and nothing else");
  const std::string& type_name = *type->text();
  const auto* found = std::find_if(std::begin(safetensors_types), std::end(safetensors_types),
                                   [&](const auto& t) { return t.name == type_name; });
  if (found == std::end(safetensors_types)) return bad(text_of("unknown dtype ", shown(type_name)));

  stored_tensor t;
  t.name = name;
  t.file = file;
  t.type = found->type;
  std::size_t size = found->bytes;
  for (const json_value& extent : shape->items()) {
    if (extent.integer().value_or(-1) < 0) return bad("its shape must be a list of non-negative integers");
    t.dims.push_back(static_cast<std::size_t>(*extent.integer()));
    const auto product = checked_mul(size, t.dims.back());
    if (!product) return bad("its shape overflows");
    size = *product;
  }
  const std::int64_t first = offsets->items()[0].integer().value_or(-1),
                     last = offsets->items()[1].integer().value_or(-1);
  if (first < 0 || last < 0) return bad("its data_offsets must be non-negative integers");
  const auto begin = static_cast<std::size_t>(first), end = static_cast<std::size_t>(last);
  if (begin > end || end > data.size())
    return bad(text_of("its data_offsets ", begin, " … ", end, " are not inside the ", data.size(), " bytes of data"));
  if (end - begin != size)
    return bad(text_of("its shape and dtype need ", size, " bytes, but its data_offsets give ", end - begin));
  t.bytes = data.subspan(begin, size);
  // A tensor of a type that dtype lacks keeps its name and shape, so that an error can report the type.
  if (!found->known) t.bytes = {}, t.unsupported_type = found->name;
  return safetensors_entry{std::move(t), begin, end};
}

}  // namespace detail

/// One mapped safetensors file.
class safetensors_file {
 public:
  static constexpr std::string_view whole_file = "model.safetensors", index_file = "model.safetensors.index.json";

  static result<safetensors_file> try_open(const std::string& file) {
    return guarded([&]() -> result<safetensors_file> {
      safetensors_file f;
      LLAVA_TRY(mapped, mapped_file::try_open(file));
      f.mapped_ = std::move(mapped);
      const std::span<const std::byte> bytes = f.mapped_.bytes();
      const auto bad = [&](std::string_view what) {
        const std::string_view instead =
            stand_in({reinterpret_cast<const char*>(bytes.data()), (std::min)(bytes.size(), std::size_t{1024})});
        if (!instead.empty()) return fail(errc::invalid_format, text_of("llava: ", file, " is ", instead));
        return fail(errc::invalid_format, text_of("llava: ", file, ": ", what));
      };
      if (bytes.size() < 8) return bad("too short to be a safetensors file");
      std::uint64_t length = 0;
      std::memcpy(&length, bytes.data(), 8);
      if (length > 100000000) return bad(text_of("its header has ", length, " bytes, expected at most 100000000"));
      if (length > bytes.size() - 8)
        return bad(text_of("its header has ", length, " bytes, but the file has ", bytes.size()));
      const std::string_view header(reinterpret_cast<const char*>(bytes.data()) + 8, length);
      if (header.empty() || header.front() != '{') return bad("its header does not begin with '{'");
      f.header_bytes_ = 8 + length;
      const std::span<const std::byte> data = bytes.subspan(f.header_bytes_);
      LLAVA_TRY(json, try_parse_json(file, header, repeated_keys::refused));
      std::vector<std::pair<std::size_t, std::size_t>> ranges;
      for (const auto& [name, value] : json.members()) {
        if (name == "__metadata__") continue;  // read below, when all tensors are known
        LLAVA_TRY(entry, detail::try_read_entry(file, name, value, data));
        ranges.emplace_back(entry.begin, entry.end);
        f.tensors_.emplace(name, std::move(entry.tensor));
      }
      if (const json_value* metadata = json.find("__metadata__"); metadata && metadata->is_object())
        for (const auto& [name, value] : metadata->members())
          if (const auto t = f.tensors_.find(name); t != f.tensors_.end() && value.text())
            t->second.format = *value.text();
      std::sort(ranges.begin(), ranges.end());
      std::size_t end = 0;
      for (const auto& [first, last] : ranges) {
        if (first != end)
          return bad(text_of("its tensors ", first < end ? "overlap" : "leave a hole", " at byte ",
                             (std::min)(first, end), " of the data"));
        end = last;
      }
      if (end != data.size())
        return bad(text_of("its tensors end at byte ", end, " of ", data.size(), " bytes of data"));
      return result<safetensors_file>(std::move(f));
    });
  }

  const stored_tensor* find(std::string_view name) const { return find_in(tensors_, name); }
  template <class F>
  void for_each(F&& f) const {
    for (const auto& [name, t] : tensors_) f(t);
  }
  /// A text that changes when the file is rewritten with other weights.
  std::string identity() const {
    detail::file_identity all(mapped_);
    all.add_header(mapped_.bytes().first(header_bytes_));
    for (const auto& [name, t] : tensors_) all.add_part(t.bytes);
    return all.text();
  }
  void forget_pages() const { mapped_.forget_pages(); }

 private:
  mapped_file mapped_;
  std::size_t header_bytes_ = 0;
  tensor_map tensors_;
};

/// The safetensors files of a folder.
using safetensors_folder = tensor_folder<safetensors_file>;

LLAVA_END
