// SPDX-License-Identifier: Apache-2.0
/// event_splitter: reads server-sent events from pieces of any size.
#pragma once
#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include <llava/base/error.hpp>
#include <llava/base/function_ref.hpp>
#include <llava/base/macros.hpp>

LLAVA_BEGIN
namespace serve {

/// Collects the `data` of each event, as the HTML standard describes it: lines end with LF, CR LF or CR, an empty line
/// ends an event, lines that begin with a colon and other fields are skipped.
class event_splitter {
 public:
  explicit event_splitter(std::size_t longest = 16 << 20) : longest_(longest) {}

  /// Calls on_event with the data of each event that `bytes` completes. Stops if it returns false. Errors: cancelled,
  /// by on_event; invalid_format, an event longer than `longest`.
  result<void> feed(std::string_view bytes, function_ref<bool(std::string_view)> on_event) {
    while (!bytes.empty()) {
      if (std::exchange(skips_lf_, false) && bytes[0] == '\n') {
        bytes.remove_prefix(1);
        continue;
      }
      const std::size_t end = (std::min)(bytes.find_first_of("\r\n"), bytes.size());
      if (line_.size() + data_.size() + end > longest_)
        return fail(errc::invalid_format, text_of("llava: an event of the stream is longer than ", longest_, " bytes"));
      line_ += bytes.substr(0, end);
      if (end == bytes.size()) break;
      skips_lf_ = bytes[end] == '\r';
      bytes.remove_prefix(end + 1);
      if (!take_line(on_event)) return fail(errc::cancelled, "llava: the stream was cancelled");
    }
    return {};
  }

 private:
  bool take_line(function_ref<bool(std::string_view)> on_event) {
    const std::string line = std::exchange(line_, {});
    if (line.empty()) {
      const std::string data = std::exchange(data_, {});
      return !std::exchange(has_data_, false) || on_event(data);
    }
    constexpr std::string_view field = "data:";
    if (!line.starts_with(field)) return true;
    if (std::exchange(has_data_, true)) data_ += '\n';
    std::string_view value = std::string_view(line).substr(field.size());
    if (value.starts_with(' ')) value.remove_prefix(1);
    data_ += value;
    return true;
  }

  std::size_t longest_;
  std::string line_, data_;
  bool has_data_ = false, skips_lf_ = false;
};

}  // namespace serve
LLAVA_END
