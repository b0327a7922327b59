// SPDX-License-Identifier: Apache-2.0
/// page_log: the log of LLaVA's web server, in a folder.
///
///   YYYY-MM-DD-conv.json                     a line of JSON for each answer and each vote
///   serve_images/YYYY-MM-DD/<md5>.jpg        the images, named by the MD5 of their pixels
///
/// Dates are local time. Files are readable by their owner alone. A disk that is full, or a folder that is gone, costs
/// lines, never an answer: the failure is reported once, until a line is written again.
#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include <llava/base/error.hpp>
#include <llava/base/hook.hpp>
#include <llava/image/image.hpp>

LLAVA_BEGIN
namespace serve {

/// Encodes an image as a JPEG file.
using jpeg_encoder = hook<result<std::string>(const image&)>;

/// A folder of logs. Any thread may call each function.
class page_log {
 public:
  /// Makes the folder if it is absent. `most_bytes`: a day's lines and images of this log together; more are
  /// left out. `report`
  /// gets a sentence when writing begins to fail. Errors: the folder cannot be made or written to.
  static result<std::unique_ptr<page_log>> try_open(std::string folder, std::uint64_t most_bytes,
                                                    hook<void(std::string_view)> report);

  /// Appends a line to the file of the day. Returns whether the whole line has been written; of a line that does not
  /// fit, nothing stays.
  bool append(std::string_view line);
  /// Writes an image unless the day's folder has it already. `name`: the MD5 of its pixels.
  bool save_image(const image& picture, const std::string& name, const jpeg_encoder& encode);

 private:
  page_log(std::string folder, std::uint64_t most_bytes, hook<void(std::string_view)> report)
      : folder_(std::move(folder)), most_bytes_(most_bytes), report_(std::move(report)) {}
  std::string today();  ///< a new day has its own limit
  bool reported(const result<void>& done);

  std::string folder_;
  std::uint64_t most_bytes_;
  hook<void(std::string_view)> report_;
  std::mutex mutex_;
  std::string day_;
  std::uint64_t bytes_ = 0;
  bool is_failing_ = false;
};

}  // namespace serve
LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/serve/page_log_inl.hpp>
#endif
