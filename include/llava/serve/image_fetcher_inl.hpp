// SPDX-License-Identifier: Apache-2.0
/// Definitions of image_fetcher.hpp.
#pragma once
#include <algorithm>
#include <charconv>
#include <span>
#include <utility>

#include <llava/serve/http_client.hpp>
#include <llava/serve/http_text.hpp>
#include <llava/serve/image_fetcher.hpp>

LLAVA_BEGIN
namespace serve {
namespace detail {

/// The length that a head announces, or 0.
inline std::uint64_t announced_length(const http_reply& head) {
  const std::string_view text = head.header("content-length");
  std::uint64_t length = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), length);
  return failure == std::errc() ? length : 0;
}

}  // namespace detail

LLAVA_INLINE result<void> image_fetcher::try_add_host(const std::string& entry) {
  const bool has_subdomains = entry.starts_with('.');
  // The scheme makes the default port visible: with "http" it is 80, with "https" 443, unless one is written.
  auto http = try_parse_url("http://" + entry.substr(has_subdomains));
  const auto https = try_parse_url("https://" + entry.substr(has_subdomains));
  if (!http || !https || http->target != "/" || entry.ends_with('/'))
    return fail(errc::invalid_argument,
                text_of("llava: '", entry, "' is not a host; write example.org, example.org:8080, or .example.org"));
  const bool is_ip = detail::parse_ip(http->host).has_value();
  if (is_ip && !settings_.allows_private_addresses && !is_public_address(http->host))
    return fail(errc::invalid_argument,
                text_of("llava: ", entry, " is not a public address; allow private addresses to fetch from it"));
  hosts_.push_back(
      {(has_subdomains ? "." : "") + http->host, http->port == https->port ? http->port : std::uint16_t{0}});
  return {};
}

LLAVA_INLINE result<std::shared_ptr<const image_fetcher>> image_fetcher::try_make(image_fetcher_settings settings) {
  return guarded([&]() -> result<std::shared_ptr<const image_fetcher>> {
    const std::shared_ptr<image_fetcher> made(new image_fetcher);
    made->settings_ = std::move(settings);
    for (const std::string& entry : made->settings_.hosts) LLAVA_CHECK(made->try_add_host(entry));
    if (!made->settings_.root.empty()) {
      LLAVA_TRY(root, file_root::try_make(made->settings_.root));
      made->root_ = std::move(root);
    }
    return std::shared_ptr<const image_fetcher>(made);
  });
}

LLAVA_INLINE bool image_fetcher::allows(const url_parts& url) const {
  return std::any_of(hosts_.begin(), hosts_.end(), [&](const allowed_host& h) {
    const bool is_host =
        h.name.starts_with('.') ? url.host.size() > h.name.size() && url.host.ends_with(h.name) : url.host == h.name;
    return is_host && url.port == (h.port != 0 ? h.port : url.default_port());
  });
}

LLAVA_INLINE result<url_parts> image_fetcher::try_allow(std::string_view url) const {
  return guarded([&]() -> result<url_parts> {
    LLAVA_TRY(parts, try_parse_url(url));
    const auto refuse = [](std::string_view why) { return fail(errc::invalid_argument, text_of("llava: ", why)); };
    if (parts.scheme == url_scheme::file) {
      if (!root_) return refuse("this server reads no file URLs");
      if (!root_->names(parts.target)) return refuse("this server reads no files outside its folder of images");
      return parts;
    }
    if (parts.scheme == url_scheme::https && !settings_.tls) return refuse("this server fetches no https URLs");
    if (!allows(parts)) return refuse("this server fetches no images from this host and port");
    return parts;
  });
}

LLAVA_INLINE result<std::vector<std::byte>> image_fetcher::try_fetch(const std::string& url, const stop_signal& stop,
                                                                     std::chrono::milliseconds time) const {
  LLAVA_TRY(parts, try_allow(url));
  if (parts.scheme == url_scheme::file) return root_->try_read(parts.target, settings_.longest);
  std::vector<std::byte> bytes;
  bool is_longer = false;
  http_call call;
  call.url = url;
  call.method = "GET";
  call.headers = {{"Accept", "image/png, image/jpeg"}, {"Accept-Encoding", "identity"}, {"User-Agent", "llava"}};
  call.connect_time = settings_.connect_time;
  call.silence = call.total = (std::min)(settings_.total_time, time);
  call.longest = 64 << 10;  // of what comes with another status
  call.tls = settings_.tls;
  call.stop = stop;
  if (!settings_.allows_private_addresses)
    call.allows_address = [](std::string_view ip) { return is_public_address(ip); };
  call.accepts_head = [&](const http_reply& head) {
    is_longer = detail::announced_length(head) > settings_.longest;
    return head.status == 200 && !is_longer;
  };
  const auto reply = try_call(call, [&](std::string_view piece) {
    is_longer = piece.size() > settings_.longest - bytes.size();
    if (is_longer) return false;
    const auto more = std::as_bytes(std::span(piece));
    bytes.insert(bytes.end(), more.begin(), more.end());
    return true;
  });
  if (reply) return bytes;
  if (reply.error().code() == errc::out_of_memory || stop.stop_requested()) return reply.error();
  if (is_longer) return fail(errc::invalid_argument, text_of("llava: it has more than ", settings_.longest, " bytes"));
  return fail(errc::invalid_argument,
              "llava: it cannot be fetched: its server must answer with status 200, without a redirect, and in time");
}

}  // namespace serve
LLAVA_END
