// SPDX-License-Identifier: Apache-2.0
/// Metrics in the text format of Prometheus.
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <llava/checkpoint/written_json.hpp>

LLAVA_BEGIN
namespace serve {

/// Counts durations in seconds by their size. Any thread may add.
class duration_histogram {
 public:
  static constexpr std::array<double, 12> bounds{.005, .01, .025, .05, .1, .25, .5, 1., 2.5, 5., 10., 60.};

  void add(double seconds, std::uint64_t times = 1) {
    std::size_t at = 0;
    while (at < bounds.size() && seconds > bounds[at]) ++at;
    counts_[at] += times;
    nanoseconds_ += static_cast<std::uint64_t>(seconds * 1e9) * times;
  }
  /// Appends its lines. `labels`: `model="x"`.
  void append_to(std::string& out, std::string_view name, std::string_view labels) const {
    std::uint64_t total = 0;
    for (std::size_t i = 0; i <= bounds.size(); ++i) {
      total += counts_[i];
      out.append(name).append("_bucket{").append(labels).append(",le=\"");
      if (i < bounds.size())
        llava::detail::append_json_number(bounds[i], out);
      else
        out += "+Inf";
      out.append("\"} ").append(std::to_string(total)).append("\n");
    }
    out.append(name).append("_sum{").append(labels).append("} ");
    llava::detail::append_json_number(static_cast<double>(nanoseconds_) * 1e-9, out);
    out.append("\n").append(name).append("_count{").append(labels).append("} ");
    out.append(std::to_string(total)).append("\n");
  }

 private:
  std::array<std::atomic<std::uint64_t>, bounds.size() + 1> counts_{};
  std::atomic<std::uint64_t> nanoseconds_{0};
};

/// `model="NAME"`, escaped.
inline std::string model_label(std::string_view name) {
  std::string out = "model=\"";
  for (const char c : name) {
    if (c == '\\' || c == '"') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out += '"';
}

/// Appends the two lines before a metric's values. `type`: counter, gauge or histogram.
inline void append_metric_head(std::string& out, std::string_view name, std::string_view type, std::string_view help) {
  out.append("# HELP ").append(name).append(" ").append(help).append("\n# TYPE ");
  out.append(name).append(" ").append(type).append("\n");
}

}  // namespace serve
LLAVA_END
