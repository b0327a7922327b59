// SPDX-License-Identifier: Apache-2.0
/// safetensors: u64 length, a JSON header, raw data. https://github.com/huggingface/safetensors (format section of its
/// README). Everything that the format forbids is refused (R2): headers over 100,000,000 bytes or not beginning with '{',
/// duplicate names, holes, overlaps, data past the end, sizes that are not those of shape and type.
///
/// safetensors_folder opens model.safetensors, or the shards that model.safetensors.index.json names, by mapping: no data
/// is read.
#pragma once
#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <sys/stat.h>
#include <vector>

#include <llava/checkpoint/json.hpp>
#include <llava/checkpoint/source.hpp>
#include <llava/tensor/mapped_file.hpp>

LLAVA_BEGIN

namespace detail {

/// Element size of a safetensors dtype and ours where there is one.
struct safetensors_type {
  std::string_view name;
  std::size_t bytes;
  dtype type;
  bool known;
};
inline constexpr safetensors_type safetensors_types[] = {
    {"F32", 4, dtype::float32, true}, {"F16", 2, dtype::float16, true}, {"BF16", 2, dtype::bfloat16, true},
    {"I64", 8, dtype::int64, true},   {"I32", 4, dtype::int32, true},   {"U8", 1, dtype::uint8, true},
    {"F64", 8, dtype::uint8, false},  {"I16", 2, dtype::uint8, false},  {"I8", 1, dtype::uint8, false},
    {"BOOL", 1, dtype::uint8, false}, {"U16", 2, dtype::uint8, false},  {"U32", 4, dtype::uint8, false},
    {"U64", 8, dtype::uint8, false},  {"F8_E4M3", 1, dtype::uint8, false}, {"F8_E5M2", 1, dtype::uint8, false}};

/// One entry of the header.
inline result<stored_tensor> try_read_entry(const std::string& file, std::string_view name, const json_value& v, std::span<const std::byte> data) {
  const auto bad = [&](std::string_view what) {
    return fail(errc::invalid_format, text_of("llava: ", file, ": tensor ", name, ": ", what));
  };
  if (!v.IsObject()) return bad("its header entry is not an object");
  const auto type = v.FindMember("dtype"), shape = v.FindMember("shape"), offsets = v.FindMember("data_offsets");
  if (type == v.MemberEnd() || !type->value.IsString() || shape == v.MemberEnd() || !shape->value.IsArray() ||
      offsets == v.MemberEnd() || !offsets->value.IsArray() || offsets->value.Size() != 2 || v.MemberCount() != 3)
    return bad("its header entry must have dtype, shape and data_offsets, and nothing else");
  const std::string_view type_name(type->value.GetString(), type->value.GetStringLength());
  const auto* found = std::find_if(std::begin(safetensors_types), std::end(safetensors_types), [&](const auto& t) { return t.name == type_name; });
  if (found == std::end(safetensors_types)) return bad(text_of("unknown dtype ", type_name));

  stored_tensor t;
  t.name = name;
  t.file = file;
  t.type = found->type;
  std::size_t size = found->bytes;
  for (const auto& extent : shape->value.GetArray()) {
    if (!extent.IsUint64()) return bad("its shape must be of whole numbers, none negative");
    t.dims.push_back(extent.GetUint64());
    const auto product = checked_mul(size, t.dims.back());
    if (!product) return bad("its shape overflows");
    size = *product;
  }
  const auto& range = offsets->value;
  if (!range[0].IsUint64() || !range[1].IsUint64()) return bad("its data_offsets must be whole numbers");
  const std::uint64_t begin = range[0].GetUint64(), end = range[1].GetUint64();
  if (begin > end || end > data.size()) return bad(text_of("its data_offsets ", begin, " … ", end, " are not inside the ", data.size(), " bytes of data"));
  if (end - begin != size) return bad(text_of("its shape and dtype need ", size, " bytes, data_offsets give ", end - begin));
  t.bytes = data.subspan(begin, size);
  if (!found->known) t.dims.clear(), t.bytes = {};  // kept by name only: whoever asks for it is told that it does not fit
  return t;
}

}  // namespace detail

/// One mapped file.
class safetensors_file {
 public:
  static result<safetensors_file> try_open(const std::string& file) {
    safetensors_file f;
    LLAVA_TRY(mapped, mapped_file::try_open(file));
    f.mapped_ = std::move(mapped);
    const std::span<const std::byte> bytes = f.mapped_.bytes();
    const auto bad = [&](std::string_view what) { return fail(errc::invalid_format, text_of("llava: ", file, ": ", what)); };
    if (bytes.size() < 8) return bad("too short to be a safetensors file");
    std::uint64_t length = 0;
    std::memcpy(&length, bytes.data(), 8);
    if (length > 100000000) return bad(text_of("its header says ", length, " bytes; the format allows 100000000"));
    if (length > bytes.size() - 8) return bad(text_of("its header says ", length, " bytes, the file has ", bytes.size()));
    const std::string_view header(reinterpret_cast<const char*>(bytes.data()) + 8, length);
    if (header.empty() || header.front() != '{') return bad("its header does not begin with '{'");
    const std::span<const std::byte> data = bytes.subspan(8 + length);
    LLAVA_TRY(json, try_parse_json(file, header));
    LLAVA_TRY(root, json_object::try_root(json));
    static_cast<void>(root);
    std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
    for (const auto& member : json.root().GetObject()) {
      const std::string_view name(member.name.GetString(), member.name.GetStringLength());
      if (name == "__metadata__") continue;
      LLAVA_TRY(t, detail::try_read_entry(file, name, member.value, data));
      const auto& offsets = member.value["data_offsets"];
      ranges.emplace_back(offsets[0].GetUint64(), offsets[1].GetUint64());
      if (!f.tensors_.emplace(std::string(name), std::move(t)).second) return bad(text_of("tensor ", name, " stands twice in its header"));
    }
    std::sort(ranges.begin(), ranges.end());
    std::uint64_t end = 0;
    for (const auto& [first, last] : ranges) {
      if (first != end) return bad(text_of("its tensors ", first < end ? "overlap" : "leave a hole", " at byte ", std::min(first, end), " of the data"));
      end = last;
    }
    if (end != data.size()) return bad(text_of("its tensors end at byte ", end, " of ", data.size(), " bytes of data"));
    return f;
  }

  const stored_tensor* find(std::string_view name) const {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? nullptr : &found->second;
  }
  template <class F>
  void for_each(F&& f) const {
    for (const auto& [name, t] : tensors_) f(t);
  }

 private:
  mapped_file mapped_;
  std::map<std::string, stored_tensor, std::less<>> tensors_;
};

/// A folder's weights.
class safetensors_folder {
 public:
  static result<safetensors_folder> try_open(const std::string& folder) {
    const auto exists = [&](const char* name) {
      struct stat about {};
      return ::stat((folder + "/" + name).c_str(), &about) == 0;
    };
    safetensors_folder all;
    if (exists("model.safetensors.index.json")) {
      LLAVA_CHECK(all.try_open_shards(folder));
    } else if (exists("model.safetensors")) {
      LLAVA_TRY(one, safetensors_file::try_open(folder + "/model.safetensors"));
      all.files_.push_back(std::move(one));
    } else if (exists("pytorch_model.bin") || exists("pytorch_model.bin.index.json")) {
      return fail(errc::unsupported, text_of("llava: ", folder, " holds its weights as pytorch_model.bin; save them as safetensors "
                                             "(transformers: model.save_pretrained(folder, safe_serialization=True))"));
    } else {
      return fail(errc::not_found, text_of("llava: ", folder, " has neither model.safetensors nor model.safetensors.index.json"));
    }
    return all;
  }

  const stored_tensor* find(std::string_view name) const {
    for (const auto& f : files_)
      if (const stored_tensor* t = f.find(name)) return t;
    return nullptr;
  }
  template <class F>
  void for_each(F&& f) const {
    for (const auto& file : files_) file.for_each(f);
  }

 private:
  result<void> try_open_shards(const std::string& folder) {
    const std::string index = folder + "/model.safetensors.index.json";
    LLAVA_TRY(json, try_read_json(index));
    LLAVA_TRY(root, json_object::try_root(json));
    const json_value* map = root.find("weight_map");
    if (!map || !map->IsObject()) return root.wrong("weight_map", "an object of tensor names and files");
    std::map<std::string, std::size_t, std::less<>> shards;
    for (const auto& member : map->GetObject()) {
      const std::string_view tensor(member.name.GetString(), member.name.GetStringLength());
      if (!member.value.IsString()) return fail(errc::invalid_format, text_of("llava: ", index, ": the file of ", tensor, " is not a text"));
      const std::string file(member.value.GetString(), member.value.GetStringLength());
      if (file.empty() || file.find_first_of("/\\") != std::string::npos || file == ".." || file.find('\0') != std::string::npos)
        return fail(errc::invalid_format, text_of("llava: ", index, ": ", tensor, " is said to be in '", file, "', which is not a file of this folder"));
      const auto [at, is_new] = shards.emplace(file, files_.size());
      if (is_new) {
        LLAVA_TRY(shard, safetensors_file::try_open(folder + "/" + file));
        files_.push_back(std::move(shard));
      }
      if (!files_[at->second].find(tensor)) return fail(errc::mismatch, text_of("llava: ", index, ": ", tensor, " is not in ", file));
    }
    return {};
  }

  std::vector<safetensors_file> files_;
};

LLAVA_END
