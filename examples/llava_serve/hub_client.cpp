// SPDX-License-Identifier: Apache-2.0
#include "hub_client.hpp"

#include <llava/checkpoint/folder.hpp>
#include <llava/checkpoint/json.hpp>
#include <llava/serve/http_text.hpp>
#include <llava/serve/url.hpp>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <utility>

#include "serve_command.hpp"

namespace {
namespace serve = llava::serve;
using llava::errc;
using llava::fail;
using llava::result;
using llava::text_of;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string trimmed(std::string text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && is_space(text.back())) text.pop_back();
  while (!text.empty() && is_space(text.front())) text.erase(0, 1);
  return text;
}

/// The token of the environment, or that which `hf auth login` has stored.
std::string find_token() {
  for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"})
    if (std::string token = trimmed(variable(name)); !token.empty()) return token;
  std::string file = variable("HF_TOKEN_PATH"), home = variable("HF_HOME");
  if (home.empty()) {
    const std::string caches = variable("XDG_CACHE_HOME");
    home = (caches.empty() ? variable("HOME") + "/.cache" : caches) + "/huggingface";
  }
  if (file.empty()) file = home + "/token";
  auto text = llava::try_read_text_file(file, 4096);
  return text ? trimmed(*std::move(text)) : std::string();
}

/// Percent-encodes a path; `kept` besides RFC 3986's unreserved characters.
std::string encoded(std::string_view text, std::string_view kept) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (serve::detail::is_digit(c) || serve::detail::is_letter(c) || std::string_view("-._~").find(c) != kept.npos ||
        kept.find(c) != kept.npos)
      out += c;
    else
      out.append({'%', "0123456789ABCDEF"[byte >> 4], "0123456789ABCDEF"[byte & 15]});
  }
  return out;
}

bool is_hex(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return serve::detail::hex_digit(c) >= 0; });
}

/// Whether a path that the hub names stays in the folder where it is stored.
bool is_safe_path(std::string_view path) {
  if (path.size() > 1024 || std::any_of(path.begin(), path.end(), [](char c) { return serve::detail::is_control(c); }))
    return false;
  for (std::size_t at = 0, end = 0; at <= path.size(); at = end + 1) {
    end = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, end - at);
    if (part.empty() || part == "." || part == "..") return false;
  }
  return true;
}

/// The hash in an ETag: "abc", W/"abc".
std::string_view hash_of(std::string_view tag) {
  if (tag.starts_with("W/")) tag.remove_prefix(2);
  if (tag.size() >= 2 && tag.front() == '"' && tag.back() == '"') tag = tag.substr(1, tag.size() - 2);
  return tag;
}

std::uint64_t number_of(std::string_view text) {
  std::uint64_t n = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), n);
  return failure == std::errc() && end == text.data() + text.size() ? n : 0;
}

/// The URL of a Location header, relative to that of the call.
std::string absolute(std::string_view location, const std::string& from) {
  if (!location.starts_with('/') || location.starts_with("//")) return std::string(location);
  const std::size_t path = from.find('/', from.find("://") + 3);
  return from.substr(0, path) + std::string(location);
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

}  // namespace

result<hub_client> hub_client::try_make(llava::stop_signal stop) {
  const std::string offline = serve::detail::lower(variable("HF_HUB_OFFLINE"));
  if (offline == "1" || offline == "on" || offline == "yes" || offline == "true")
    return fail(errc::invalid_argument, "llava: HF_HUB_OFFLINE forbids to fetch a model; unset it");
  hub_client made;
  made.endpoint_ = variable("HF_ENDPOINT");
  if (made.endpoint_.empty()) made.endpoint_ = "https://huggingface.co";
  while (made.endpoint_.ends_with('/')) made.endpoint_.pop_back();
  const auto parts = serve::try_parse_url(made.endpoint_);
  if (!parts || parts->scheme == serve::url_scheme::file)
    return fail(errc::invalid_argument,
                text_of("llava: HF_ENDPOINT is '", made.endpoint_, "', expected https://HOST or http://HOST:PORT"));
  made.token_ = find_token();
  if (!serve::detail::is_header_value(made.token_))
    return fail(errc::invalid_argument, "llava: the token of the hub has a character that no token has");
  LLAVA_TRY(tls, try_make_tls());
  if (!tls && parts->scheme == serve::url_scheme::https)
    return fail(errc::unsupported,
                text_of("llava: this program is built without TLS, so that it cannot fetch from ", made.endpoint_,
                        "; build it with OpenSSL (Debian: libssl-dev), or fetch the model with `hf download`"));
  made.tls_ = tls;
  made.stop_ = std::move(stop);
  return made;
}

serve::http_call hub_client::call_of(std::string method, const std::string& path) const {
  serve::http_call call;
  call.method = std::move(method);
  call.url = endpoint_ + path;
  call.headers = {{"User-Agent", "llava"}, {"Accept-Encoding", "identity"}};
  call.connect_time = std::chrono::seconds(15);
  call.silence = std::chrono::seconds(30);
  call.tls = tls_;
  call.stop = stop_;
  return call;
}

result<serve::http_reply> hub_client::try_follow(serve::http_call call, follow where,
                                                 llava::function_ref<bool(std::string_view)> on_piece) const {
  LLAVA_TRY(hub, serve::try_parse_url(endpoint_));
  const auto headers = call.headers;
  for (int hops = 0; hops < 8; ++hops) {
    LLAVA_TRY(here, serve::try_parse_url(call.url));
    call.headers = headers;
    if (!token_.empty() && here.origin() == hub.origin()) call.headers.push_back({"Authorization", "Bearer " + token_});
    LLAVA_TRY(reply, serve::try_call(call, on_piece));
    const std::string_view location = reply.header("location");
    if (!is_redirect(reply.status) || location.empty()) return std::move(reply);
    const std::string next = absolute(location, call.url);
    const auto there = serve::try_parse_url(next);
    const bool is_same_host = there && there->origin() == here.origin();
    if (!there || (!is_same_host && there->scheme != serve::url_scheme::https))
      return fail(errc::invalid_format, text_of("llava: ", here.origin(),
                                                " redirects to an address that is not allowed: "
                                                "it must be https://, or on the same host and port"));
    if (where == follow::hub && (!is_same_host || !reply.header("x-linked-etag").empty())) return std::move(reply);
    call.url = next;
  }
  return fail(errc::invalid_format, text_of("llava: ", endpoint_, " redirects too often"));
}

llava::error hub_client::refused(int status, const std::string& name, std::string_view what) const {
  if (status == 401 || status == 403)
    return fail(errc::not_found,
                text_of("llava: ", endpoint_, " does not let you read ", what, " of ", name, " (status ", status,
                        "): it does not exist, or it needs a token: accept its terms at ", endpoint_, "/", name,
                        " and set HF_TOKEN"));
  if (status == 404) return fail(errc::not_found, text_of("llava: ", endpoint_, " has no ", what, " of ", name));
  return fail(errc::io, text_of("llava: ", endpoint_, " answered with status ", status, " to a request for ", what,
                                " of ", name, "; try again later"));
}

result<hub_commit> hub_client::try_list(const std::string& name, const std::string& revision) const {
  if (!is_safe_path(revision))
    return fail(errc::invalid_argument, text_of("llava: '", revision, "' is not the name of a revision"));
  auto call = call_of("GET", text_of("/api/models/", encoded(name, "/"), "/revision/", encoded(revision, "")));
  std::string text;
  const std::string what = text_of("revision ", revision);
  LLAVA_TRY(reply, try_follow(std::move(call), follow::anywhere, [&](std::string_view piece) {
              text += piece;
              return text.size() <= std::size_t{64} << 20;
            }));
  if (reply.status != 200) return refused(reply.status, name, what);
  const auto wrong = [&](std::string_view why) {
    return fail(errc::invalid_format, text_of("llava: the answer of ", endpoint_, " about ", name, " ", why));
  };
  const auto root = llava::try_parse_json("the hub's answer", text);
  if (!root || !root->is_object()) return wrong("is not a JSON object");
  const llava::json_value *id = root->find("sha"), *files = root->find("siblings");
  if (!id || !id->text() || !is_hex(*id->text()) || !files || !files->is_array())
    return wrong("has no commit (sha) or no list of files (siblings)");
  hub_commit found{*id->text(), {}};
  for (const llava::json_value& one : files->items()) {
    const llava::json_value* file = one.is_object() ? one.find("rfilename") : nullptr;
    if (!file || !file->text() || !is_safe_path(*file->text())) return wrong("names a file in a way that is not valid");
    found.files.push_back(*file->text());
  }
  return found;
}

result<hub_file> hub_client::try_describe(const std::string& name, const std::string& commit,
                                          const std::string& file) const {
  auto call = call_of("HEAD", text_of("/", encoded(name, "/"), "/resolve/", commit, "/", encoded(file, "/")));
  LLAVA_TRY(reply, try_follow(std::move(call), follow::hub, [](std::string_view) { return true; }));
  if (reply.status != 200 && !is_redirect(reply.status)) return refused(reply.status, name, file);
  const std::string_view linked_tag = reply.header("x-linked-etag"), linked_size = reply.header("x-linked-size");
  hub_file found{file, std::string(hash_of(linked_tag.empty() ? reply.header("etag") : linked_tag)), 0};
  found.size = number_of(linked_size.empty() ? reply.header("content-length") : linked_size);
  if (!is_hex(found.hash) || (found.hash.size() != 40 && found.hash.size() != 64))
    return fail(errc::invalid_format,
                text_of("llava: ", endpoint_, " names no hash (ETag) of ", file, " of ", name, ", to compare it with"));
  return found;
}

result<void> hub_client::try_get(const std::string& name, const std::string& commit, const std::string& file,
                                 std::uint64_t first, llava::function_ref<bool(std::uint64_t)> on_begin,
                                 llava::function_ref<bool(std::string_view)> on_piece) const {
  auto call = call_of("GET", text_of("/", encoded(name, "/"), "/resolve/", commit, "/", encoded(file, "/")));
  if (first > 0) call.headers.push_back({"Range", text_of("bytes=", first, "-")});
  bool is_wrong = false;
  call.accepts_head = [&](const serve::http_reply& head) {
    if (head.status != 200 && head.status != 206) return true;
    const std::string_view range = head.header("content-range");  // bytes 100-999/1000
    is_wrong = head.status == 206 && (first == 0 || !range.starts_with(text_of("bytes ", first, "-")));
    return !is_wrong && on_begin(head.status == 206 ? first : 0);
  };
  auto reply = try_follow(std::move(call), follow::anywhere, on_piece);
  if (is_wrong) return fail(errc::invalid_format, text_of("llava: ", endpoint_, " sent another part of ", file));
  if (!reply) return std::move(reply).error();
  if (reply->status == 416) return on_begin(0) ? result<void>() : fail(errc::cancelled, "llava: cancelled");
  if (reply->status != 200 && reply->status != 206) return refused(reply->status, name, file);
  return {};
}
