// SPDX-License-Identifier: Apache-2.0
/// Writes pickles, zip files and torch files, valid ones and, part by part, invalid ones. tests/data/torch has files
/// that torch itself wrote.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace torch_writer {

/// The number in `width` bytes, the lowest first.
inline std::string number(std::uint64_t n, int width) {
  std::string bytes;
  for (int i = 0; i < width; ++i, n >>= 8) bytes += static_cast<char>(n & 255);
  return bytes;
}

// --- pickles ---------------------------------------------------------------------------------------------------------
inline std::string pickle_of(const std::string& program) { return "\x80\x02" + program + "."; }
inline std::string text(const std::string& s) { return "X" + number(s.size(), 4) + s; }
inline std::string integer(std::int64_t n) { return "\x8a\x08" + number(static_cast<std::uint64_t>(n), 8); }
inline std::string name(const std::string& module, const std::string& of) { return "c" + module + "\n" + of + "\n"; }
inline std::string tuple(const std::vector<std::int64_t>& numbers) {
  std::string program = "(";
  for (const std::int64_t n : numbers) program += integer(n);
  return program + "t";
}
/// A dict of "key program, value program" pairs.
inline std::string dict(const std::string& pairs) { return "}(" + pairs + "u"; }

/// A tensor of a state dict.
struct tensor {
  std::string name, type = "FloatStorage", key = "0";
  std::int64_t elements = 4, offset = 0;
  std::vector<std::int64_t> sizes{2, 2}, strides{2, 1};
  std::string data{};  ///< the storage's bytes, for files
};
inline std::string storage(const tensor& t, const std::string& sixth = "") {
  return "(" + text("storage") + name("torch", t.type) + text(t.key) + text("cpu") + integer(t.elements) + sixth + "tQ";
}
inline std::string program_of(const tensor& t, const std::string& sixth = "") {
  return name("torch._utils", "_rebuild_tensor_v2") + "(" + storage(t, sixth) + integer(t.offset) + tuple(t.sizes) +
         tuple(t.strides) + "\x89}tR";
}
inline std::string state_dict(const std::vector<tensor>& tensors, const std::string& sixth = "") {
  std::string pairs;
  for (const tensor& t : tensors) pairs += text(t.name) + program_of(t, sixth);
  return pickle_of(dict(pairs));
}

// --- zip files -------------------------------------------------------------------------------------------------------
struct member {
  std::string name, bytes;
  unsigned method = 0, flags = 0;
};
inline std::string local_header(const member& m) {
  return "PK\3\4" + number(0, 2) + number(m.flags, 2) + number(m.method, 2) + number(0, 8) + number(m.bytes.size(), 4) +
         number(m.bytes.size(), 4) + number(m.name.size(), 2) + number(0, 2) + m.name;
}
inline std::string directory_entry(const member& m, std::uint64_t at) {
  return "PK\1\2" + number(0, 4) + number(m.flags, 2) + number(m.method, 2) + number(0, 8) + number(m.bytes.size(), 4) +
         number(m.bytes.size(), 4) + number(m.name.size(), 2) + number(0, 12) + number(at, 4) + m.name;
}
inline std::string end_record(std::size_t count, std::uint64_t size, std::uint64_t at) {
  return "PK\5\6" + number(0, 4) + number(count, 2) + number(count, 2) + number(size, 4) + number(at, 4) + number(0, 2);
}
inline std::string zip_of(const std::vector<member>& members) {
  std::string file, directory;
  for (const member& m : members) {
    directory += directory_entry(m, file.size());
    file += local_header(m) + m.bytes;
  }
  const std::size_t at = file.size();
  return file + directory + end_record(members.size(), directory.size(), at);
}

// --- torch files -----------------------------------------------------------------------------------------------------
inline std::string torch_zip(const std::vector<tensor>& tensors) {
  std::vector<member> members{{"model/data.pkl", state_dict(tensors)}, {"model/byteorder", "little"}};
  for (const tensor& t : tensors) members.push_back({"model/data/" + t.key, t.data});
  return zip_of(members);
}
/// The three pickles before the state dict.
inline std::string legacy_start(const std::string& little_endian = "\x88") {
  return pickle_of("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19") + pickle_of("M\xe9\x03") +
         pickle_of(dict(text("protocol_version") + "M\xe9\x03" + text("little_endian") + little_endian));
}
inline std::string legacy_end(const std::vector<tensor>& tensors) {
  std::string keys = "](", data;
  for (const tensor& t : tensors) {
    keys += text(t.key);
    data += number(static_cast<std::uint64_t>(t.elements), 8) + t.data;
  }
  return pickle_of(keys + "e") + data;
}
inline std::string torch_legacy(const std::vector<tensor>& tensors) {
  return legacy_start() + state_dict(tensors, "N") + legacy_end(tensors);
}

}  // namespace torch_writer
