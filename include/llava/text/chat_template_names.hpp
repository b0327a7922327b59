// SPDX-License-Identifier: Apache-2.0
/// The variables of a chat template. A name is looked up in the scopes of loop iterations and macro calls, the
/// innermost first, then among the template's own variables, the caller's and the functions. A name that is set in a
/// loop is gone after it, as in Jinja.
#pragma once
#include <algorithm>
#include <cstddef>
#include <string_view>
#include <vector>

#include <llava/text/chat_template_functions.hpp>

LLAVA_BEGIN

namespace detail {

class template_names {
 public:
  using value = template_value;
  template_names(template_run& r, const value& given) : run(r), given_(given) {}

  /// Removes on destruction the variables set during its lifetime. `closed`: hides outer variables, except the
  /// template's own.
  struct scope {
    explicit scope(template_names& r, bool closed = false) : of(r), begin(r.begin_), closed_begin(r.closed_) {
      r.begin_ = r.names_.size();
      if (closed) r.closed_ = r.begin_;
      ++r.scopes_;
    }
    ~scope() {
      --of.scopes_;
      of.names_.resize(of.begin_);
      of.begin_ = begin;
      of.closed_ = closed_begin;
    }
    scope(const scope&) = delete;
    template_names& of;
    std::size_t begin, closed_begin;
  };

  /// Whether only the template's own scope is open.
  bool at_top() const { return scopes_ == 1; }
  void set(std::string_view name, const value& v) {
    run.work(1 + (names_.size() - begin_) / 8);
    for (std::size_t i = begin_; i < names_.size(); ++i)
      if (names_[i].name == name) {
        names_[i].v = v;
        return;
      }
    names_.push_back({name, v});
    if (at_top()) own_ = names_.size();
  }
  value find(std::string_view name) {
    run.work(1 + names_.size() / 8);
    for (std::size_t i = names_.size(); i > closed_; --i)
      if (names_[i - 1].name == name) return names_[i - 1].v;
    for (std::size_t i = (std::min)(own_, closed_); i > 0; --i)
      if (names_[i - 1].name == name) return names_[i - 1].v;
    if (const value* given = run.find(given_, name)) return *given;
    if (template_functions::is_function(name)) return {template_type::function, 0, name, nullptr};
    return template_undefined(name);
  }

 private:
  struct variable {
    std::string_view name;
    value v;
  };
  template_run& run;
  value given_;
  std::vector<variable> names_;
  std::size_t begin_ = 0, closed_ = 0, own_ = 0, scopes_ = 0;
};

}  // namespace detail

LLAVA_END
