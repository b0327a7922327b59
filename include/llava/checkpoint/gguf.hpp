// SPDX-License-Identifier: Apache-2.0
/// gguf_file: the keys and tensors of a GGUF file (gguf_part.hpp). A model may be split into several files; the first,
/// PREFIX-00001-of-00003.gguf, has all keys, and opening it opens the others.
///
/// Tensors have their names in the file, and their extents in the order of other formats, the contiguous one last.
/// ggml's blocks (quant/ggml_blocks.hpp) have `rows`. A type without a decoder is an unsupported_type.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include <llava/base/guard.hpp>
#include <llava/checkpoint/gguf_keys.hpp>
#include <llava/checkpoint/gguf_part.hpp>
#include <llava/checkpoint/tensor_source.hpp>
#include <llava/text/shown.hpp>

LLAVA_BEGIN

namespace detail {

/// "-00002-of-00003.gguf"
inline std::string split_ending(int part, int parts) {
  const auto five = [](int n) {
    const std::string digits = std::to_string(n);
    return std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits;
  };
  return "-" + five(part) + "-of-" + five(parts) + ".gguf";
}

}  // namespace detail

/// A GGUF file, with the other parts of its model.
class gguf_file final : public tensor_source {
 public:
  static result<gguf_file> try_open(const std::string& file) {
    return guarded([&]() -> result<gguf_file> {
      gguf_file f;
      LLAVA_TRY(first, detail::gguf_part::try_open(file));
      LLAVA_CHECK(f.try_add(std::move(first)));
      int parts = 1, number = 0;
      LLAVA_CHECK(f.keys().read("split.count", parts));
      LLAVA_CHECK(f.keys().read("split.no", number));
      if (parts > 1) LLAVA_CHECK(f.try_add_parts(file, number, parts));
      return result<gguf_file>(std::move(f));
    });
  }

  const gguf_keys& keys() const { return parts_.front().keys(); }
  const stored_tensor* find(std::string_view name) const override { return find_in(tensors_, name); }
  void for_each(function_ref<void(const stored_tensor&)> visit) const override {
    for (const auto& [name, t] : tensors_) visit(t);
  }
  std::string identity() const override {
    std::string all;
    for (const detail::gguf_part& p : parts_) all += p.identity() + "\n";
    return all;
  }
  void forget_pages() const override {
    for (const detail::gguf_part& p : parts_) p.forget_pages();
  }

 private:
  result<void> try_add(detail::gguf_part part) {
    for (auto& [tensor, type, offset, size] : part.tensors()) {
      std::string name = tensor.name;
      const auto [at, is_new] = tensors_.try_emplace(std::move(name), std::move(tensor));
      if (!is_new)
        return fail(errc::invalid_format,
                    text_of("llava: ", part.keys().file(), ": the tensor ", detail::shown(at->first), " is repeated"));
    }
    part.tensors().clear();
    parts_.push_back(std::move(part));
    return {};
  }

  result<void> try_add_parts(const std::string& file, int number, int parts) {
    const gguf_keys& first = keys();
    if (number != 0)
      return fail(errc::invalid_argument,
                  text_of("llava: ", file, " is part ", std::int64_t{number} + 1, " of a model; open its first part"));
    const std::string ending = detail::split_ending(1, parts);
    if (!file.ends_with(ending))
      return fail(errc::invalid_argument,
                  text_of("llava: ", file, " is the first of ", parts, " files, so its name must end in ", ending));
    const std::string prefix = file.substr(0, file.size() - ending.size());
    int total = -1;
    LLAVA_CHECK(first.read("split.tensors.count", total));
    for (int i = 1; i < parts; ++i) {
      LLAVA_TRY(part, detail::gguf_part::try_open(prefix + detail::split_ending(i + 1, parts)));
      int own = -1, count = -1;
      LLAVA_CHECK(part.keys().read("split.no", own));
      LLAVA_CHECK(part.keys().read("split.count", count));
      if (own != i || count != parts)
        return fail(errc::mismatch, text_of("llava: ", part.keys().file(), " says that it is part ",
                                            std::int64_t{own} + 1, " of ", count, ", expected ", i + 1, " of ", parts));
      LLAVA_CHECK(try_add(std::move(part)));
    }
    if (total >= 0 && tensors_.size() != static_cast<std::size_t>(total))
      return fail(errc::mismatch, text_of("llava: ", file, " and its other parts have ", tensors_.size(),
                                          " tensors, expected ", total));
    return {};
  }

  std::vector<detail::gguf_part> parts_;
  tensor_map tensors_;
};

LLAVA_END
