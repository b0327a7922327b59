// SPDX-License-Identifier: Apache-2.0
/// web_page: the web page of a server (docs/web.md), its log, and what it needs to know. The page's own files are
/// include/llava/serve/page/; page_files.hpp holds their text. It asks /v1/models and /v1/chat/completions of the
/// server that it comes from, and no other.
///
///   GET /  GET /page/NAME   the files; open, since a browser sends no key with them
///   GET /page/settings      {"log", "embed", "usage", "version"}; open
///   POST /page/record       a record for the log (page_record.hpp); {"saved": true or false}
#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/hook.hpp>
#include <llava/serve/chat_messages.hpp>
#include <llava/serve/http_routes.hpp>
#include <llava/serve/page_log.hpp>
#include <llava/serve/page_record.hpp>

LLAVA_BEGIN
namespace serve {

/// How a page is served.
struct page_settings {
  std::string log_folder = {};                       ///< empty: nothing is logged
  std::uint64_t log_bytes = std::uint64_t{1} << 30;  ///< of a day; more are left out
  bool is_embedded = false;                          ///< other sites may show the page in a frame, without its title
  bool has_usage = true;                             ///< the server counts the tokens of a stream
  image_decoder decode_image = {};                   ///< for the log's images; with encode_jpeg
  jpeg_encoder encode_jpeg = {};                     ///< empty: no images are logged
  hook<void(std::string_view)> report = {};          ///< gets a sentence when the log cannot be written
  /// How a model's conversations are written; nullopt: there is no such model. Several threads may call it at a time.
  hook<std::optional<page_template>(std::string_view)> template_of = {};
};

/// The page's routes. It must outlive the server that has them.
class web_page {
 public:
  /// Errors: the log's folder cannot be made or written to.
  static result<std::unique_ptr<web_page>> try_make(page_settings settings);
  void add_to(http_routes& routes);

 private:
  web_page(page_settings settings, std::unique_ptr<page_log> log)
      : settings_(std::move(settings)), log_(std::move(log)) {}
  void record(const http_request& request, const http_response& response);
  /// Saves the images; returns the MD5 of each one's pixels.
  result<std::vector<std::string>> try_save_images(const page_record& told);

  page_settings settings_;
  std::unique_ptr<page_log> log_;  // null: nothing is logged
  std::mutex decoding_;            // one image is decoded at a time
};

}  // namespace serve
LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/serve/page_inl.hpp>
#endif
