// SPDX-License-Identifier: Apache-2.0
/// The instructions and values of a pickle (pickle.hpp), and the names that a pickle of tensors may use (R3). A name
/// outside the list is an error; a name on the list is never called: what it would make is a value of the kind that
/// `makes` says.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <llava/base/dtype.hpp>
#include <llava/base/macros.hpp>

LLAVA_BEGIN

namespace detail {

/// A name of Python that a pickle may use. For a storage: the size and our dtype of its elements, where `known`.
struct pickle_name {
  enum class product : std::uint8_t { tensor, parameter, dict, size, storage };
  std::string_view module, name;
  product makes;
  std::size_t element_bytes = 0;
  dtype type = dtype::uint8;
  bool known = false;
};
inline constexpr pickle_name pickle_names[] = {
    {"torch._utils", "_rebuild_tensor_v2", pickle_name::product::tensor},
    {"torch._utils", "_rebuild_tensor", pickle_name::product::tensor},
    {"torch._utils", "_rebuild_parameter", pickle_name::product::parameter},
    {"collections", "OrderedDict", pickle_name::product::dict},
    {"torch", "Size", pickle_name::product::size},
    {"torch", "FloatStorage", pickle_name::product::storage, 4, dtype::float32, true},
    {"torch", "HalfStorage", pickle_name::product::storage, 2, dtype::float16, true},
    {"torch", "BFloat16Storage", pickle_name::product::storage, 2, dtype::bfloat16, true},
    {"torch", "LongStorage", pickle_name::product::storage, 8, dtype::int64, true},
    {"torch", "IntStorage", pickle_name::product::storage, 4, dtype::int32, true},
    {"torch", "ByteStorage", pickle_name::product::storage, 1, dtype::uint8, true},
    {"torch.storage", "UntypedStorage", pickle_name::product::storage, 1, dtype::uint8, true},
    {"torch", "DoubleStorage", pickle_name::product::storage, 8},
    {"torch", "ShortStorage", pickle_name::product::storage, 2},
    {"torch", "CharStorage", pickle_name::product::storage, 1, dtype::int8, true},
    {"torch", "BoolStorage", pickle_name::product::storage, 1}};

/// The instructions of a pickle, by pickletools' names.
enum class pickle_op : unsigned char {
  mark = '(',
  stop = '.',
  none = 'N',
  newtrue = 0x88,
  newfalse = 0x89,
  binint = 'J',
  binint1 = 'K',
  binint2 = 'M',
  long1 = 0x8a,
  long4 = 0x8b,
  binfloat = 'G',
  binunicode = 'X',
  short_binunicode = 0x8c,
  binunicode8 = 0x8d,
  binstring = 'T',
  short_binstring = 'U',
  empty_tuple = ')',
  tuple = 't',
  tuple1 = 0x85,
  tuple2 = 0x86,
  tuple3 = 0x87,
  empty_list = ']',
  append = 'a',
  appends = 'e',
  empty_dict = '}',
  setitem = 's',
  setitems = 'u',
  binput = 'q',
  long_binput = 'r',
  memoize = 0x94,
  binget = 'h',
  long_binget = 'j',
  global = 'c',
  stack_global = 0x93,
  reduce = 'R',
  build = 'b',
  binpersid = 'Q',
  proto = 0x80,
  frame = 0x95,
};

/// A value of a pickle. Values refer to each other by index; a value may be part of several others, or of itself.
struct pickle_value {
  enum class kind : std::uint8_t { none, boolean, integer, other, text, tuple, list, dict, name, storage, tensor };
  kind is = kind::none;
  std::int64_t number = 0;             ///< integer; boolean: 0 or 1; name: index into pickle_names
  std::string_view text{};             ///< text; other (a long integer, a float): its bytes. A view of the pickle
  std::vector<std::uint32_t> items{};  ///< tuple, list; dict: key, value, key …; storage: the persistent id;
                                       ///< tensor: the arguments storage, offset, sizes, strides

  bool is_integer() const { return is == kind::integer; }
  bool is_text() const { return is == kind::text; }
};

/// What a kind of value is called in errors.
constexpr std::string_view name_of(pickle_value::kind k) {
  constexpr std::string_view names[] = {"None",   "a bool", "an integer", "a number",  "a text",  "a tuple",
                                        "a list", "a dict", "a type",     "a storage", "a tensor"};
  return names[static_cast<std::size_t>(k)];
}

/// The values of one pickle, and the one that it is about.
struct pickle {
  std::vector<pickle_value> values;
  std::uint32_t root = 0;
  std::size_t size = 0;  ///< bytes of the pickle

  const pickle_value& operator[](std::uint32_t i) const { return values[i]; }
  const pickle_value& top() const { return values[root]; }
};

}  // namespace detail

LLAVA_END
