// SPDX-License-Identifier: Apache-2.0
/// The filter `tojson` of chat templates: json.dumps as transformers calls it, with `indent`, `separators` and
/// `sort_keys`.
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <llava/text/chat_template_run.hpp>

LLAVA_BEGIN

namespace detail {

class template_json {
 public:
  template_json(template_run& run, std::int64_t indent, std::string_view comma, std::string_view colon, bool sorted)
      : run_(run), indent_(indent), comma_(comma), colon_(colon), sorted_(sorted) {}

  std::string out;

  void write(const template_value& v, int depth = 0) {
    if (depth > template_run::deepest_value) {
      run_.fail("lists are nested too deeply");
    } else if (v.is(template_type::none)) {
      put("null");
    } else if (v.is(template_type::boolean)) {
      put(v.number ? "true" : "false");
    } else if (v.is(template_type::integer)) {
      put(text_of(v.number));
    } else if (v.is(template_type::text)) {
      write_text(v.text);
    } else if (v.is_list()) {
      write_items(v, "[", "]", depth);
    } else if (v.is(template_type::dict)) {
      write_items(v, "{", "}", depth);
    } else {
      run_.fail("'tojson' does not accept ", v);
    }
  }

 private:
  void put(std::string_view text) { run_.append(out, text); }
  void put_line(int depth) {
    if (indent_ < 0) return;
    put("\n");
    for (std::int64_t i = 0; i < indent_ * depth && !run_.failed(); ++i) put(" ");
  }
  void write_items(const template_value& v, std::string_view begin, std::string_view end, int depth) {
    const template_object& o = *v.object;
    std::vector<std::size_t> order(o.items.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    if (sorted_ && !o.keys.empty())
      std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return o.keys[a] < o.keys[b]; });
    put(begin);
    for (std::size_t i = 0; i < order.size() && !run_.failed(); ++i) {
      if (i > 0) put(comma_);
      put_line(depth + 1);
      if (!o.keys.empty()) write_text(o.keys[order[i]]), put(colon_);
      write(o.items[order[i]], depth + 1);
    }
    if (!order.empty()) put_line(depth);
    put(end);
  }
  void write_text(std::string_view s) {
    std::string text = "\"";
    for (const char c : s) {
      constexpr std::string_view known = "\"\\\n\r\t\f\b", escapes = "\"\\nrtfb", hex = "0123456789abcdef";
      const auto at = known.find(c);
      if (at != std::string_view::npos)
        text += {'\\', escapes[at]};
      else if (static_cast<unsigned char>(c) < 0x20)
        text.append("\\u00") += {hex[static_cast<unsigned char>(c) >> 4], hex[c & 15]};
      else
        text += c;
    }
    put(text += '"');
  }

  template_run& run_;
  std::int64_t indent_;
  std::string_view comma_, colon_;
  bool sorted_;
};

}  // namespace detail

LLAVA_END
