// SPDX-License-Identifier: Apache-2.0
/// The pieces of streams. Server-sent events: lines `data: ...` and an empty line. LLaVA's workers and controller:
/// records of JSON that end with a byte 0. record_splitter reads the latter from pieces of any size.
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

/// One server-sent event: `data: ` and each line of the text, then an empty line. A line ends with LF, CR LF or CR.
inline std::string event_of(std::string_view data) {
  std::string out = "data: ";
  for (std::size_t i = 0; i < data.size(); ++i) {
    if (data[i] == '\r' && data.substr(i + 1, 1) == "\n") continue;
    if (data[i] == '\n' || data[i] == '\r')
      out += "\ndata: ";
    else
      out += data[i];
  }
  return out += "\n\n";
}

/// The text and a byte 0.
inline std::string record_of(std::string_view text) { return std::string(text) += '\0'; }

/// Cuts a stream into records that end with a byte 0.
class record_splitter {
 public:
  explicit record_splitter(std::size_t longest = 16 << 20) : longest_(longest) {}

  /// Calls on_record with each record that `bytes` completes, without its byte 0; empty records are skipped. Stops if
  /// it returns false. Errors: cancelled, by on_record; invalid_format, a record longer than `longest`.
  result<void> feed(std::string_view bytes, function_ref<bool(std::string_view)> on_record) {
    while (!bytes.empty()) {
      const std::size_t end = (std::min)(bytes.find('\0'), bytes.size());
      if (begun_.size() + end > longest_)
        return fail(errc::invalid_format,
                    text_of("llava: a record of the stream is longer than ", longest_, " bytes; is it one of LLaVA?"));
      begun_ += bytes.substr(0, end);
      if (end == bytes.size()) break;
      bytes.remove_prefix(end + 1);
      const std::string record = std::exchange(begun_, {});
      if (!record.empty() && !on_record(record)) return fail(errc::cancelled, "llava: the stream was cancelled");
    }
    return {};
  }

  /// Whether the stream ended inside a record.
  bool is_inside() const { return !begun_.empty(); }

 private:
  std::size_t longest_;
  std::string begun_;
};

}  // namespace serve
LLAVA_END
