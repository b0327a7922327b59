// SPDX-License-Identifier: Apache-2.0
/// TLS for the connections that llava-serve makes, if the build has OpenSSL (llava::serve_tls).
#include "serve_command.hpp"

#if LLAVA_SERVE_COMMAND_TLS
#include <llava/serve/openssl_client.hpp>

llava::result<std::shared_ptr<const llava::serve::tls_client>> try_make_tls() {
  return llava::serve::openssl_client::try_make();
}
#else
llava::result<std::shared_ptr<const llava::serve::tls_client>> try_make_tls() {
  return std::shared_ptr<const llava::serve::tls_client>();
}
#endif
