// SPDX-License-Identifier: Apache-2.0
/// safetensors_writer: writes a safetensors file front to back. The caller states all tensors first, then writes their
/// bytes in the same order, in pieces of any size. Nothing is kept in memory. Matrices in block formats are written as
/// safetensors.hpp reads them: rows of bytes, with the format in `__metadata__`.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/guard.hpp>
#include <llava/checkpoint/new_file.hpp>
#include <llava/checkpoint/rapidjson.hpp>
#include <llava/checkpoint/tensor_source.hpp>

LLAVA_BEGIN

/// A tensor of the new file.
struct safetensors_plan {
  std::string name;
  dtype type = dtype::float32;
  std::vector<std::size_t> dims;  ///< in a block format: (N, bytes of a row), type uint8
  std::string format;             ///< the block format's name; empty: none

  std::size_t bytes() const {
    std::size_t n = size_of(type);
    for (std::size_t d : dims) n *= d;
    return n;
  }
};

/// A file being written. It is complete when try_finish has succeeded.
class safetensors_writer {
 public:
  /// Creates `file`, which must not exist, and writes the header. "pt" is the format that transformers requires.
  static result<safetensors_writer> try_create(const std::string& file, const std::vector<safetensors_plan>& tensors,
                                               std::string_view format = "pt") {
    return guarded([&]() -> result<safetensors_writer> {
      safetensors_writer w;
      LLAVA_TRY(created, new_file::try_create(file));
      w.file_ = std::move(created);
      std::string header = header_of(tensors, format);
      header.resize((header.size() + 8 + 63) / 64 * 64 - 8, ' ');  // aligns the data to 64 bytes, for every kernel
      const std::uint64_t length = header.size();
      LLAVA_CHECK(w.file_.try_write({reinterpret_cast<const std::byte*>(&length), sizeof(length)}));
      LLAVA_CHECK(w.file_.try_write({reinterpret_cast<const std::byte*>(header.data()), header.size()}));
      for (const safetensors_plan& t : tensors) w.expected_ += t.bytes();
      return result<safetensors_writer>(std::move(w));
    });
  }

  /// Writes the next bytes of the data.
  result<void> try_write(std::span<const std::byte> bytes) {
    return guarded([&]() -> result<void> {
      written_ += bytes.size();
      return file_.try_write(bytes);
    });
  }

  /// Call after the last byte. The file is on disk when this returns.
  result<void> try_finish() {
    return guarded([&]() -> result<void> {
      if (written_ != expected_)
        return fail(errc::invalid_argument, text_of("llava: ", file_.name(), " needs ", expected_, " bytes of data, ",
                                                    written_, " were written"));
      return file_.try_finish();
    });
  }

 private:
  static std::string header_of(const std::vector<safetensors_plan>& tensors, std::string_view format) {
    rapidjson::StringBuffer text;
    rapidjson::Writer<rapidjson::StringBuffer> json(text);
    const auto put = [&](std::string_view s) { json.String(s.data(), static_cast<rapidjson::SizeType>(s.size())); };
    json.StartObject();
    put("__metadata__");
    json.StartObject();
    put("format"), put(format);
    for (const safetensors_plan& t : tensors)
      if (!t.format.empty()) put(t.name), put(t.format);
    json.EndObject();
    std::uint64_t at = 0;
    for (const safetensors_plan& t : tensors) {
      put(t.name);
      json.StartObject();
      put("dtype"), put(safetensors_name(t.type));
      put("shape");
      json.StartArray();
      for (std::size_t d : t.dims) json.Uint64(d);
      json.EndArray();
      put("data_offsets");
      json.StartArray();
      json.Uint64(at), json.Uint64(at += t.bytes());
      json.EndArray();
      json.EndObject();
    }
    json.EndObject();
    return {text.GetString(), text.GetSize()};
  }
  static constexpr std::string_view safetensors_name(dtype t) {
    switch (t) {
      case dtype::float32:
        return "F32";
      case dtype::float16:
        return "F16";
      case dtype::bfloat16:
        return "BF16";
      case dtype::int64:
        return "I64";
      case dtype::int32:
        return "I32";
      case dtype::uint8:
        return "U8";
      case dtype::int8:
        return "I8";
    }
    return "U8";
  }

  new_file file_;
  std::uint64_t expected_ = 0, written_ = 0;
};

LLAVA_END
