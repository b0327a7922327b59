// SPDX-License-Identifier: Apache-2.0
/// api_keys: the keys that open a server (R20). How long a comparison takes tells a client nothing about a key but the
/// lengths of all keys: each key is compared to its end, whether it differs or not, and all keys are compared.
#pragma once
#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/serve/http_text.hpp>

LLAVA_BEGIN
namespace serve {

/// A set of API keys. Without a key everything is allowed.
class api_keys {
 public:
  api_keys() = default;
  /// Errors: a key is empty, longer than 4096 characters, or has a character that a header cannot carry. The sentence
  /// says which one by its position.
  static result<api_keys> try_make(std::vector<std::string> keys) {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const std::string& key = keys[i];
      const bool is_visible = std::all_of(key.begin(), key.end(), [](char c) { return c > 0x20 && c < 0x7f; });
      if (key.empty() || key.size() > 4096 || !is_visible)
        return fail(errc::invalid_argument,
                    text_of("llava: API key ", i + 1, " must have 1 to 4096 visible ASCII characters, and no space"));
    }
    api_keys made;
    made.keys_ = std::move(keys);
    return made;
  }

  bool empty() const { return keys_.empty(); }

  /// Whether `presented` is one of the keys, or there are none.
  bool allows(std::string_view presented) const {
    unsigned found = keys_.empty();
    for (const std::string& key : keys_) found |= static_cast<unsigned>(equal(key, presented));
    return found != 0;
  }

  /// The key in the value of an Authorization header, or an empty text.
  static std::string_view bearer(std::string_view authorization) {
    const std::size_t space = authorization.find(' ');
    if (space == authorization.npos || !detail::equal_ignoring_case(authorization.substr(0, space), "bearer"))
      return {};
    return detail::trimmed(authorization.substr(space));
  }

 private:
  /// The loop runs over the secret's length, whatever was presented. `volatile`: the compiler must not end it early.
  static bool equal(std::string_view secret, std::string_view presented) {
    volatile unsigned differs = secret.size() != presented.size();
    for (std::size_t i = 0; i < secret.size(); ++i) {
      const char c = presented.empty() ? '\0' : presented[i % presented.size()];
      differs = differs | (static_cast<unsigned char>(secret[i]) ^ static_cast<unsigned char>(c));
    }
    return differs == 0;
  }

  std::vector<std::string> keys_;
};

}  // namespace serve
LLAVA_END
