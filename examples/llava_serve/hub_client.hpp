// SPDX-License-Identifier: Apache-2.0
/// hub_client: the part of the Hugging Face hub's API that `llava pull` needs.
#pragma once
#include <llava/base/error.hpp>
#include <llava/base/function_ref.hpp>
#include <llava/serve/http_client.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// A commit of a repository.
struct hub_commit {
  std::string id;                  ///< hexadecimal
  std::vector<std::string> files;  ///< relative paths, none of which leads out of a folder
};

/// What the hub says of a file.
struct hub_file {
  std::string name;
  std::string hash;  ///< hexadecimal: 64 digits of SHA-256, of large files; 40 of git's SHA-1 of a blob, of others
  std::uint64_t size = 0;
};

/// Asks the hub, or a mirror of it. Errors name what was asked for; what the hub says in words is not repeated.
class hub_client {
 public:
  /// Reads the environment as the hub's own library does: HF_ENDPOINT, HF_TOKEN, HF_TOKEN_PATH, HF_HOME,
  /// HF_HUB_OFFLINE.
  static llava::result<hub_client> try_make(llava::stop_signal stop);

  llava::result<hub_commit> try_list(const std::string& name, const std::string& revision) const;
  llava::result<hub_file> try_describe(const std::string& name, const std::string& commit,
                                       const std::string& file) const;

  /// Gets the bytes of a file from byte `first` on. on_begin tells at which byte they really begin: `first` or 0. If
  /// one of the two returns false, the call is cancelled.
  llava::result<void> try_get(const std::string& name, const std::string& commit, const std::string& file,
                              std::uint64_t first, llava::function_ref<bool(std::uint64_t)> on_begin,
                              llava::function_ref<bool(std::string_view)> on_piece) const;

 private:
  enum class follow { hub, anywhere };
  llava::serve::http_call call_of(std::string method, const std::string& path) const;
  /// Makes the call, and those that redirects ask for: to https://, or to the same host. The token stays with the hub.
  /// With follow::hub, a redirect to another host, or one that says what is there, is the answer.
  llava::result<llava::serve::http_reply> try_follow(llava::serve::http_call call, follow where,
                                                     llava::function_ref<bool(std::string_view)> on_piece) const;
  llava::error refused(int status, const std::string& name, std::string_view what) const;

  std::string endpoint_, token_;
  std::shared_ptr<const llava::serve::tls_client> tls_;
  llava::stop_signal stop_;
};
