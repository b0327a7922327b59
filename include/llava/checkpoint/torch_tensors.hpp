// SPDX-License-Identifier: Apache-2.0
/// try_read_state_dict: the tensors of a state dict, the value of a torch file's pickle: a dict whose keys are texts
/// and whose values are tensors or parameters. A tensor is a view of a storage: an offset, sizes and strides, in
/// elements.
///
/// A contiguous tensor is used in place, and several may share a storage. One that is not contiguous (a transposed
/// matrix) has `rows`. Every number is checked: views inside their storage, no negative stride, no product that
/// overflows, no more elements than the storage has, at most 8 axes and 65,536 tensors.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/function_ref.hpp>
#include <llava/checkpoint/pickle_value.hpp>
#include <llava/checkpoint/tensor_source.hpp>
#include <llava/tensor/strided_rows.hpp>
#include <llava/text/shown.hpp>
#include <llava/text/utf8.hpp>

LLAVA_BEGIN

namespace detail {

/// A storage as a pickle names it.
struct torch_storage {
  std::string_view key;
  const pickle_name* type = nullptr;
  std::size_t elements = 0, bytes = 0;
};

/// Finds the bytes of a storage: exactly `bytes` of them.
using storage_finder = function_ref<result<std::span<const std::byte>>(const torch_storage&)>;

/// Reads the persistent id of a storage: ("storage", type, key, device, elements), in the legacy form with a sixth part
/// that is None.
inline result<torch_storage> try_read_storage(std::string_view file, const pickle& p, const pickle_value& id) {
  const auto bad = [&](std::string_view what) {
    return fail(errc::invalid_format, text_of("llava: ", file, ": its pickle has a storage ", what));
  };
  const auto part = [&](std::size_t i) -> const pickle_value& { return p[id.items[i]]; };
  if (!part(0).is_text() || part(0).text != "storage" || !part(2).is_text() || !part(4).is_integer())
    return bad("without a key and a number of elements");
  if (part(1).is != pickle_value::kind::name || pickle_names[part(1).number].makes != pickle_name::product::storage)
    return bad("of a type that is none of torch's storages");
  if (id.items.size() == 6 && part(5).is != pickle_value::kind::none)
    return bad("that is a view of another one, as torch wrote before 0.4; load and save it with a newer torch");
  const pickle_name& type = pickle_names[part(1).number];
  const auto elements = static_cast<std::size_t>(part(4).number);
  const auto bytes = part(4).number < 0 ? std::nullopt : checked_mul(elements, type.element_bytes);
  if (!bytes) return bad(text_of("of ", part(4).number, " elements"));
  return torch_storage{part(2).text, &type, elements, *bytes};
}

/// Reads sizes or strides: integers of at least 0.
inline result<std::vector<std::int64_t>> try_read_extents(const pickle& p, const pickle_value& list) {
  std::vector<std::int64_t> extents;
  for (const std::uint32_t i : list.items) {
    if (!p[i].is_integer() || p[i].number < 0)
      return fail(errc::invalid_format, "its sizes and strides must be integers from 0");
    extents.push_back(p[i].number);
  }
  return extents;
}

/// The form of a view of a storage.
struct torch_view {
  std::size_t offset = 0, elements = 1;
  bool contiguous = true;
};

/// Compares a view with its storage. Errors are the end of a sentence.
inline result<torch_view> try_check_view(std::int64_t offset, const std::vector<std::int64_t>& sizes,
                                         const std::vector<std::int64_t>& strides, std::size_t storage) {
  torch_view v;
  const auto overflow = [] { return fail(errc::invalid_format, "its sizes and strides overflow"); };
  for (const std::int64_t size : sizes) {
    const auto product = checked_mul(v.elements, static_cast<std::size_t>(size));
    if (!product) return overflow();
    v.elements = *product;
  }
  if (offset < 0) return fail(errc::invalid_format, text_of("its offset is ", offset));
  if (v.elements == 0) return v;
  v.offset = static_cast<std::size_t>(offset);
  std::optional<std::size_t> last = v.offset;
  std::size_t dense = 1;  // the stride of a contiguous tensor; the same products as above
  for (std::size_t i = sizes.size(); i-- > 0;) {
    const auto size = static_cast<std::size_t>(sizes[i]), stride = static_cast<std::size_t>(strides[i]);
    const auto reach = checked_mul(size - 1, stride);
    if (!reach || !(last = checked_add(*last, *reach))) return overflow();
    if (size != 1 && stride != dense) v.contiguous = false;
    dense *= size;
  }
  if (*last >= storage)
    return fail(errc::invalid_format, text_of("it ends at element ", *last, " of a storage of ", storage, " elements"));
  if (v.elements > storage)
    return fail(errc::unsupported, "it repeats the elements of its storage (torch's expand); save it after clone()");
  return v;
}

/// Reads the tensor called `name`.
inline result<stored_tensor> try_make_tensor(std::string_view file, std::string_view name, const pickle& p,
                                             const pickle_value& tensor, storage_finder find) {
  const auto bad = [&](const error& what) {
    return fail(what.code(), text_of("llava: ", file, ": tensor ", shown(name), ": ", what.sentence()));
  };
  const auto malformed = [&](std::string_view what) { return bad(fail(errc::invalid_format, std::string(what))); };
  const auto part = [&](std::size_t i) -> const pickle_value& { return p[tensor.items[i]]; };
  using kind = pickle_value::kind;
  if (!part(1).is_integer() || part(2).is != kind::tuple || part(3).is != kind::tuple)
    return malformed("it needs an offset, sizes and strides");
  constexpr std::size_t most_axes = 8;
  if (part(2).items.size() != part(3).items.size() || part(2).items.size() > most_axes)
    return malformed(text_of("it has ", part(2).items.size(), " sizes and ", part(3).items.size(),
                             " strides, expected as many, and at most ", most_axes));
  auto sizes = try_read_extents(p, part(2)), strides = try_read_extents(p, part(3));
  if (!sizes || !strides) return bad(sizes ? strides.error() : sizes.error());
  LLAVA_TRY(storage, try_read_storage(file, p, part(0)));
  const auto view = try_check_view(part(1).number, *sizes, *strides, storage.elements);
  if (!view) return bad(view.error());
  const auto bytes = find(storage);
  if (!bytes) return bad(bytes.error());

  stored_tensor t;
  t.name = name, t.file = file, t.type = storage.type->type;
  t.dims.assign(sizes->begin(), sizes->end());
  const std::size_t element = storage.type->element_bytes, begin = view->offset * element;
  if (!storage.type->known)
    t.unsupported_type = storage.type->name;
  else if (view->contiguous)
    t.bytes = bytes->subspan(view->elements == 0 ? 0 : begin, view->elements * element);
  else if (is_floating(t.type))
    t.rows = std::make_shared<strided_rows>(t.type, bytes->data() + begin, *std::move(sizes), *std::move(strides));
  else
    t.unsupported_type = "integers that are not contiguous";
  return t;
}

/// The error for an entry that is not a tensor. A checkpoint of a trainer holds the state dict under one of its keys.
inline error not_a_state_dict(std::string_view file, const pickle& p, const std::vector<std::uint32_t>& entries) {
  const auto is_nested = [&](const pickle_value& v) {
    return v.is == pickle_value::kind::dict && v.items.size() >= 2 && p[v.items[1]].is == pickle_value::kind::tensor;
  };
  std::string_view other;
  for (std::size_t i = 0; i < entries.size(); i += 2) {
    const pickle_value &key = p[entries[i]], &value = p[entries[i + 1]];
    if (key.is_text() && is_nested(value))
      return fail(errc::unsupported, text_of("llava: ", file, " holds its tensors under the key \"", shown(key.text),
                                             "\", where transformers does not look either; save that part alone: ",
                                             "torch.save(torch.load(file)[\"", shown(key.text), "\"], file)"));
    if (key.is_text() && other.empty() && value.is != pickle_value::kind::tensor) other = key.text;
  }
  return fail(errc::invalid_format, text_of("llava: ", file, ": its entry \"", shown(other),
                                            "\" is not a tensor with a name; save the model's state_dict alone"));
}

/// The tensors of the state dict that `p` is about, by name.
inline result<tensor_map> try_read_state_dict(std::string_view file, const pickle& p, storage_finder find) {
  tensor_map tensors;
  if (p.top().is != pickle_value::kind::dict)
    return fail(errc::invalid_format,
                text_of("llava: ", file, " holds ", name_of(p.top().is), ", expected a state_dict: a dict of tensors"));
  const std::vector<std::uint32_t>& entries = p.top().items;
  constexpr std::size_t most = 1 << 16;
  if (entries.size() / 2 > most)
    return fail(errc::unsupported,
                text_of("llava: ", file, " holds ", entries.size() / 2, " tensors, expected at most ", most));
  for (std::size_t i = 0; i < entries.size(); i += 2) {
    const pickle_value &key = p[entries[i]], &value = p[entries[i + 1]];
    if (!key.is_text() || value.is != pickle_value::kind::tensor) return not_a_state_dict(file, p, entries);
    std::string name(key.text);
    if (valid_utf8(name) != name)
      return fail(errc::invalid_format, text_of("llava: ", file, ": the name of a tensor is not UTF-8"));
    LLAVA_TRY(tensor, try_make_tensor(file, name, p, value, find));
    if (!tensors.emplace(name, std::move(tensor)).second)
      return fail(errc::invalid_format, text_of("llava: ", file, ": the tensor ", shown(name), " is repeated"));
  }
  return result<tensor_map>(std::move(tensors));
}

}  // namespace detail

LLAVA_END
