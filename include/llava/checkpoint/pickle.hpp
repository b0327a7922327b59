// SPDX-License-Identifier: Apache-2.0
/// try_read_pickle: reads a pickle of tensors, as torch.save writes it, and executes nothing (R3). A pickle is a
/// program of a stack machine (Python's pickletools lists the instructions). This one knows the instructions of the
/// protocols 2 to 5 with which numbers, texts, tuples, lists, dicts and tensors are made; any other is an error that
/// names it. A name that the pickle wants to call must be one of pickle_names, and becomes a value.
///
/// A pickle has at most 524,288 values and as many entries in its stack and its memo. Texts are views of its bytes.
/// Values are a flat list, so nothing recurses, however deep they refer to each other.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/checkpoint/little_endian.hpp>
#include <llava/checkpoint/pickle_value.hpp>
#include <llava/text/shown.hpp>

LLAVA_BEGIN

namespace detail {

/// Interprets one pickle. The first mistake ends it: after it every step has no effect.
class pickle_reader {
 public:
  /// `file`: for errors. `bytes` begin with a pickle.
  pickle_reader(std::string_view file, std::string_view bytes) : file_(file), bytes_(bytes) {
    values_.emplace_back();  // None: stands in for values that a mistake leaves out
  }

  result<pickle> try_read() {
    while (!mistake_ && !done_) step(static_cast<pickle_op>(take_number(1)));
    if (mistake_) return *std::move(mistake_);
    return pickle{std::move(values_), root_, at_};
  }

 private:
  using kind = pickle_value::kind;
  static constexpr std::size_t most = 1 << 19;
  static constexpr std::uint32_t absent = 0xffffffff;

  void wrong(std::string_view what, errc code = errc::invalid_format) {
    if (!mistake_) mistake_ = fail(code, text_of("llava: ", file_, ": byte ", start_, " of its pickle ", what));
  }

  // Reading the program.
  std::string_view take(std::uint64_t n) {
    if (n > bytes_.size() - at_) return wrong("needs bytes past its end"), std::string_view();
    at_ += n;
    return bytes_.substr(at_ - n, n);
  }
  std::uint64_t take_number(std::uint64_t bytes) { return little_endian(take(bytes)); }
  std::string_view take_line() {
    const std::size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) return wrong("has a name without an end"), std::string_view();
    const std::string_view line = bytes_.substr(at_, end - at_);
    at_ = end + 1;
    return line;
  }

  // The stack. Values below the last mark cannot be taken.
  void push(std::uint32_t value) {
    if (stack_.size() >= most) return wrong("stacks more values than this library reads");
    stack_.push_back(value);
  }
  void push_new(pickle_value v) {
    if (values_.size() >= most) return wrong("makes more values than this library reads");
    values_.push_back(std::move(v));
    push(static_cast<std::uint32_t>(values_.size() - 1));
  }
  std::uint32_t pop() {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) return wrong("takes a value that is not there"), 0;
    const std::uint32_t top = stack_.back();
    stack_.pop_back();
    return top;
  }
  std::vector<std::uint32_t> pop_many(std::size_t n) {
    if (stack_.size() - (marks_.empty() ? 0 : marks_.back()) < n) wrong("takes a value that is not there"), n = 0;
    const auto first = stack_.end() - static_cast<std::ptrdiff_t>(n);
    std::vector<std::uint32_t> items(first, stack_.end());
    stack_.erase(first, stack_.end());
    return items;
  }
  std::vector<std::uint32_t> pop_to_mark() {
    if (marks_.empty()) return wrong("has no mark"), std::vector<std::uint32_t>();
    std::vector<std::uint32_t> items = pop_many(stack_.size() - marks_.back());
    marks_.pop_back();
    return items;
  }
  void mark() {
    if (marks_.size() >= most) return wrong("stacks more values than this library reads");
    marks_.push_back(stack_.size());
  }

  void push_integer(std::int64_t n) { push_new({kind::integer, n}); }
  void push_text(std::string_view text) { push_new({kind::text, 0, text}); }
  void push_tuple(std::vector<std::uint32_t> items) { push_new({kind::tuple, 0, {}, std::move(items)}); }
  /// A signed number in two's complement. One of more than 8 bytes keeps its bytes.
  void push_long(std::string_view digits) {
    if (digits.size() > 8) return push_new({kind::other, 0, digits});
    std::uint64_t n = little_endian(digits);
    if (!digits.empty() && digits.size() < 8 && (static_cast<unsigned char>(digits.back()) & 0x80u) != 0)
      n |= ~std::uint64_t{0} << (8 * digits.size());
    push_integer(static_cast<std::int64_t>(n));
  }

  void store(std::uint64_t index) {
    if (index >= most) return wrong(text_of("stores a value at ", index, " of its memo, expected below ", most));
    const std::uint32_t value = pop();
    push(value);
    if (memo_.size() <= index) memo_.resize(index + 1, absent);
    memo_[index] = value;
  }
  void fetch(std::uint64_t index) {
    if (index >= memo_.size() || memo_[index] == absent)
      return wrong(text_of("fetches ", index, " of its memo, where nothing is"));
    push(memo_[index]);
  }

  /// Adds items to the list or dict below them.
  void add(kind to, const std::vector<std::uint32_t>& items) {
    const std::uint32_t top = pop();
    push(top);
    if (mistake_) return;
    pickle_value& v = values_[top];
    if (v.is != to) return wrong(text_of("adds to ", name_of(v.is), " as if it were ", name_of(to)));
    if (to == kind::dict && items.size() % 2 != 0) return wrong("adds a key without a value");
    v.items.insert(v.items.end(), items.begin(), items.end());
  }

  void push_name(std::string_view module, std::string_view name) {
    for (const pickle_name& n : pickle_names)
      if (n.module == module && n.name == name) return push_new({kind::name, &n - pickle_names});
    wrong(text_of("asks for ", shown(module), ".", shown(name),
                  ", which is not run: only tensors are read; save the model's state_dict alone, as safetensors or ",
                  "with torch.save(model.state_dict(), file)"),
          errc::unsupported);
  }

  /// Calls nothing: makes what the call would make.
  void reduce() {
    const pickle_value& arguments = values_[pop()];
    const pickle_value& callee = values_[pop()];
    if (mistake_) return;
    if (callee.is != kind::name || arguments.is != kind::tuple) return wrong("calls something other than a name");
    using product = pickle_name::product;
    const pickle_name& name = pickle_names[callee.number];
    const std::vector<std::uint32_t>& items = arguments.items;
    const auto first_is = [&](kind k) { return !items.empty() && values_[items[0]].is == k; };
    if (name.makes == product::tensor && items.size() >= 4 && items.size() <= 7 && first_is(kind::storage))
      return push_new({kind::tensor, 0, {}, {items.begin(), items.begin() + 4}});
    if (name.makes == product::parameter && items.size() == 3 && first_is(kind::tensor)) return push(items[0]);
    if (name.makes == product::dict && items.empty()) return push_new({kind::dict});
    if (name.makes == product::size && items.size() == 1 && first_is(kind::tuple)) return push(items[0]);
    wrong(text_of("calls ", name.module, ".", name.name, " with arguments that it does not have"));
  }

  /// The attributes of an OrderedDict, such as the _metadata of a state_dict, are dropped.
  void build() {
    pop();
    const std::uint32_t top = pop();
    push(top);
    if (!mistake_ && values_[top].is != kind::dict) wrong(text_of("sets attributes of ", name_of(values_[top].is)));
  }

  void make_storage() {
    const pickle_value& id = values_[pop()];
    if (mistake_) return;
    if (id.is != kind::tuple || id.items.size() < 5 || id.items.size() > 6)
      return wrong("has a persistent id that is not one of a storage");
    push_new({kind::storage, 0, {}, id.items});
  }

  void name_from_stack() {
    const pickle_value &name = values_[pop()], &module = values_[pop()];
    if (mistake_) return;
    if (!name.is_text() || !module.is_text()) return wrong("has a name that is not a text");
    push_name(module.text, name.text);
  }

  void check_protocol(std::uint64_t version) {
    if (version < 2 || version > 5) wrong(text_of("is of protocol ", version, ", expected 2 to 5"), errc::unsupported);
  }

  void step(pickle_op op);

  std::string_view file_, bytes_;
  std::size_t at_ = 0, start_ = 0;  // start_: of the instruction
  std::vector<pickle_value> values_;
  std::vector<std::uint32_t> stack_, memo_;
  std::vector<std::size_t> marks_;
  std::uint32_t root_ = 0;
  bool done_ = false;
  std::optional<error> mistake_;
};

inline void pickle_reader::step(pickle_op op) {
  start_ = at_ - (at_ > 0);
  switch (op) {
    case pickle_op::proto:
      return check_protocol(take_number(1));
    case pickle_op::frame: {
      const std::uint64_t size = take_number(8);
      return size > bytes_.size() - at_ ? wrong("has a frame past its end") : void();
    }
    case pickle_op::stop:
      root_ = pop();
      done_ = true;
      return;
    case pickle_op::mark:
      return mark();
    case pickle_op::none:
      return push_new({});
    case pickle_op::newtrue:
    case pickle_op::newfalse:
      return push_new({kind::boolean, op == pickle_op::newtrue});
    case pickle_op::binint:
      return push_integer(static_cast<std::int32_t>(take_number(4)));
    case pickle_op::binint1:
      return push_integer(static_cast<std::int64_t>(take_number(1)));
    case pickle_op::binint2:
      return push_integer(static_cast<std::int64_t>(take_number(2)));
    case pickle_op::long1:
      return push_long(take(take_number(1)));
    case pickle_op::long4:
      return push_long(take(take_number(4)));
    case pickle_op::binfloat:
      return push_new({kind::other, 0, take(8)});
    case pickle_op::short_binunicode:
    case pickle_op::short_binstring:
      return push_text(take(take_number(1)));
    case pickle_op::binunicode:
    case pickle_op::binstring:
      return push_text(take(take_number(4)));
    case pickle_op::binunicode8:
      return push_text(take(take_number(8)));
    case pickle_op::empty_tuple:
      return push_tuple({});
    case pickle_op::tuple1:
      return push_tuple(pop_many(1));
    case pickle_op::tuple2:
      return push_tuple(pop_many(2));
    case pickle_op::tuple3:
      return push_tuple(pop_many(3));
    case pickle_op::tuple:
      return push_tuple(pop_to_mark());
    case pickle_op::empty_list:
      return push_new({kind::list});
    case pickle_op::append:
      return add(kind::list, pop_many(1));
    case pickle_op::appends:
      return add(kind::list, pop_to_mark());
    case pickle_op::empty_dict:
      return push_new({kind::dict});
    case pickle_op::setitem:
      return add(kind::dict, pop_many(2));
    case pickle_op::setitems:
      return add(kind::dict, pop_to_mark());
    case pickle_op::binput:
      return store(take_number(1));
    case pickle_op::long_binput:
      return store(take_number(4));
    case pickle_op::memoize:
      return store(memo_.size());
    case pickle_op::binget:
      return fetch(take_number(1));
    case pickle_op::long_binget:
      return fetch(take_number(4));
    case pickle_op::global: {
      const std::string_view module = take_line();
      return push_name(module, take_line());
    }
    case pickle_op::stack_global:
      return name_from_stack();
    case pickle_op::reduce:
      return reduce();
    case pickle_op::build:
      return build();
    case pickle_op::binpersid:
      return make_storage();
  }
  wrong(text_of("has the instruction ", static_cast<unsigned>(op), ", which no pickle of tensors has"),
        errc::unsupported);
}

/// Reads the pickle at the beginning of `bytes`, of which its texts are views.
inline result<pickle> try_read_pickle(std::string_view file, std::string_view bytes) {
  return pickle_reader(file, bytes).try_read();
}

}  // namespace detail

LLAVA_END
