// SPDX-License-Identifier: Apache-2.0
/// torch_file: the tensors of a file that torch.save wrote for a state dict (pytorch_model.bin, mm_projector.bin),
/// mapped. Nothing in it is executed (R3, pickle.hpp). Two forms:
///   zip     since torch 1.6: a zip file of stored members ROOT/data.pkl, the state dict, and ROOT/data/KEY, the
///           storages. ROOT/byteorder, if it is there, must say little.
///   legacy  four pickles: a magic number, the protocol's number 1001, a dict about the machine, the state dict; then a
///           pickle of the list of keys, and for each key the number of elements (8 bytes) and the elements.
/// The tar form of torch before 0.2 is recognised and refused.
#pragma once
#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/guard.hpp>
#include <llava/base/stand_in.hpp>
#include <llava/checkpoint/file_identity.hpp>
#include <llava/checkpoint/little_endian.hpp>
#include <llava/checkpoint/pickle.hpp>
#include <llava/checkpoint/tensor_folder.hpp>
#include <llava/checkpoint/torch_tensors.hpp>
#include <llava/checkpoint/zip_members.hpp>
#include <llava/tensor/mapped_file.hpp>
#include <llava/text/shown.hpp>

LLAVA_BEGIN

namespace detail {

/// The storages of a file in the legacy form, by key.
using legacy_storages = std::map<std::string_view, std::string_view>;

/// The start of a file in the legacy form: a pickle of the magic number.
inline constexpr std::string_view legacy_magic("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);

/// Reads the storages at the end of a legacy file: `rest` begins with the pickle of their keys; `p` is the state dict.
inline result<legacy_storages> try_read_legacy_storages(std::string_view file, const pickle& p, std::string_view rest) {
  const auto bad = [&](std::string_view what) {
    return fail(errc::invalid_format, text_of("llava: ", file, " ", what));
  };
  std::map<std::string_view, torch_storage> named;
  for (const pickle_value& v : p.values)
    if (v.is == pickle_value::kind::storage) {
      LLAVA_TRY(storage, try_read_storage(file, p, v));
      const auto [at, is_new] = named.emplace(storage.key, storage);
      if (!is_new && (at->second.type != storage.type || at->second.elements != storage.elements))
        return bad(text_of("has two descriptions of its storage ", shown(storage.key)));
    }
  LLAVA_TRY(keys, try_read_pickle(file, rest));
  if (keys.top().is != pickle_value::kind::list) return bad("has no list of storages after its pickle");
  rest.remove_prefix(keys.size);
  legacy_storages storages;
  for (const std::uint32_t i : keys.top().items) {
    const std::string_view key = keys[i].text;
    const auto found = keys[i].is_text() ? named.find(key) : named.end();
    if (found == named.end()) return bad(text_of("has the storage ", shown(key), ", which no tensor uses"));
    const torch_storage& s = found->second;
    if (rest.size() < 8 || rest.size() - 8 < s.bytes)
      return bad(text_of("ends inside its storage ", shown(key), ": it is cut off; download or copy it again"));
    if (little_endian(rest.substr(0, 8)) != s.elements)
      return bad(text_of("has ", little_endian(rest.substr(0, 8)), " elements in its storage ", shown(key),
                         ", expected ", s.elements));
    if (!storages.emplace(key, rest.substr(8, s.bytes)).second)
      return bad(text_of("has its storage ", shown(key), " twice"));
    rest.remove_prefix(8 + s.bytes);
  }
  if (!rest.empty()) return bad(text_of("has ", rest.size(), " bytes after its storages"));
  return result<legacy_storages>(std::move(storages));
}

}  // namespace detail

/// One mapped file of torch.
class torch_file {
 public:
  static constexpr std::string_view whole_file = "pytorch_model.bin", index_file = "pytorch_model.bin.index.json";

  static result<torch_file> try_open(const std::string& file) {
    return guarded([&]() -> result<torch_file> {
      torch_file f;
      LLAVA_TRY(mapped, mapped_file::try_open(file));
      f.mapped_ = std::move(mapped);
      const std::string_view all(reinterpret_cast<const char*>(f.mapped_.bytes().data()), f.mapped_.bytes().size());
      if (all.starts_with("PK\x03\x04"))
        LLAVA_CHECK(f.try_read_zip(file, all));
      else if (all.starts_with('\x80'))
        LLAVA_CHECK(f.try_read_legacy(file, all));
      else
        return not_torch(file, all);
      return result<torch_file>(std::move(f));
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
    for (const std::string_view header : headers_) all.add_header(bytes_of(header));
    for (const std::string_view storage : storages_) all.add_part(bytes_of(storage));
    return all.text();
  }
  void forget_pages() const { mapped_.forget_pages(); }

 private:
  static std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span<const char>(text.data(), text.size()));
  }

  static error not_torch(const std::string& file, std::string_view all) {
    const std::string_view instead = stand_in(all.substr(0, 1024));
    if (!instead.empty()) return fail(errc::invalid_format, text_of("llava: ", file, " is ", instead));
    if (all.size() > 262 && all.substr(257, 5) == "ustar")
      return fail(errc::unsupported, text_of("llava: ", file, " is in the tar form of torch before 0.2; load it with ",
                                             "torch and save it again"));
    return fail(
        errc::invalid_format,
        text_of("llava: ", file, " is not a file of torch.save: it begins neither as a zip ", "file nor as a pickle"));
  }

  /// Reads the state dict; storages are the views that `find_storage(key)` returns, an optional.
  template <class Find>
  result<void> try_read_tensors(const std::string& file, const detail::pickle& p, Find&& find_storage) {
    const auto find = [&](const detail::torch_storage& s) -> result<std::span<const std::byte>> {
      const std::optional<std::string_view> found = find_storage(s.key);
      if (!found)
        return fail(errc::invalid_format, text_of("its storage ", detail::shown(s.key), " is not in the file"));
      if (found->size() != s.bytes)
        return fail(errc::invalid_format, text_of("its storage ", detail::shown(s.key), " has ", found->size(),
                                                  " bytes, expected ", s.bytes));
      return bytes_of(*found);
    };
    LLAVA_TRY(tensors, detail::try_read_state_dict(file, p, find));
    tensors_ = std::move(tensors);
    return {};
  }

  result<void> try_read_zip(const std::string& file, std::string_view all) {
    LLAVA_TRY(members, detail::zip_members::try_read(file, all));
    std::string root;
    constexpr std::string_view end = "/data.pkl";
    std::size_t count = 0;
    members.for_each([&](std::string_view name, std::string_view) {
      if (name.size() <= end.size() || !name.ends_with(end)) return;
      root = name.substr(0, name.size() - end.size());
      ++count;
    });
    if (count != 1)
      return fail(errc::invalid_format, text_of("llava: ", file, " has ", count, " members data.pkl, expected one, as ",
                                                "torch.save writes it"));
    if (const auto order = members.find(root + "/byteorder"); order && *order != "little")
      return fail(errc::unsupported, text_of("llava: ", file, " was written by a machine with another byte order ", "(",
                                             detail::shown(*order), "); load and save it on a common one"));
    const std::string_view program = *members.find(root + std::string(end));
    LLAVA_TRY(p, detail::try_read_pickle(file, program));
    LLAVA_CHECK(
        try_read_tensors(file, p, [&](std::string_view key) { return members.find(text_of(root, "/data/", key)); }));
    headers_ = {program, members.directory()};
    const std::string below = root + "/data/";
    members.for_each([&](std::string_view name, std::string_view bytes) {
      if (name.starts_with(below)) storages_.push_back(bytes);
    });
    return {};
  }

  result<void> try_read_legacy(const std::string& file, std::string_view all) {
    std::string_view rest = all;
    const auto next = [&]() -> result<detail::pickle> {
      LLAVA_TRY(p, detail::try_read_pickle(file, rest));
      rest.remove_prefix(p.size);
      return result<detail::pickle>(std::move(p));
    };
    const auto bad = [&](std::string_view what) {
      return fail(errc::invalid_format, text_of("llava: ", file, " ", what));
    };
    LLAVA_TRY(magic, next());
    if (magic.top().text != detail::legacy_magic)
      return bad("is a pickle, but not one of torch.save: the magic number is missing");
    LLAVA_TRY(protocol, next());
    if (!protocol.top().is_integer() || protocol.top().number != 1001)
      return bad("is of another version of torch's legacy form, expected 1001");
    LLAVA_TRY(machine, next());
    LLAVA_CHECK(try_check_machine(file, machine));
    LLAVA_TRY(p, next());
    LLAVA_TRY(storages, detail::try_read_legacy_storages(file, p, rest));
    LLAVA_CHECK(try_read_tensors(file, p, [&](std::string_view key) {
      const auto found = storages.find(key);
      return found == storages.end() ? std::nullopt : std::optional(found->second);
    }));
    headers_ = {all.substr(0, all.size() - rest.size())};
    for (const auto& [key, bytes] : storages) storages_.push_back(bytes);
    return {};
  }

  /// The dict about the machine must have "little_endian": True.
  static result<void> try_check_machine(const std::string& file, const detail::pickle& p) {
    const std::vector<std::uint32_t>& entries = p.top().items;
    if (p.top().is == detail::pickle_value::kind::dict)
      for (std::size_t i = 0; i < entries.size(); i += 2)
        if (p[entries[i]].is_text() && p[entries[i]].text == "little_endian" &&
            p[entries[i + 1]].is == detail::pickle_value::kind::boolean && p[entries[i + 1]].number == 1)
          return {};
    return fail(errc::unsupported,
                text_of("llava: ", file, " was not written by a little-endian machine; load and save ", "it on one"));
  }

  mapped_file mapped_;
  std::vector<std::string_view> headers_, storages_;  // for identity()
  tensor_map tensors_;
};

/// The torch files of a folder: pytorch_model.bin, or the shards of pytorch_model.bin.index.json.
using torch_folder = tensor_folder<torch_file>;

LLAVA_END
