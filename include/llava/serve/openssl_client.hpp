// SPDX-License-Identifier: Apache-2.0
/// openssl_client: TLS for http_client, by OpenSSL (target llava::serve_tls). A server must show a certificate that is
/// valid now, has the host's name, and is signed by an authority of the system's store, or of the file or folder in the
/// environment's SSL_CERT_FILE or SSL_CERT_DIR. TLS 1.2 or later.
///
///   http_call call;
///   call.url = "https://example.org/";
///   call.tls = value_or_throw(openssl_client::try_make());
#pragma once
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <cstddef>
#include <memory>
#include <string>

#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/ssl/verify_mode.hpp>

#include <llava/serve/client_stream.hpp>
#include <llava/serve/ip_address.hpp>
#include <llava/serve/system_errors.hpp>

LLAVA_BEGIN
namespace serve {
namespace detail {

/// A connection with TLS.
class openssl_stream final : public client_stream {
 public:
  openssl_stream(boost::asio::ip::tcp::socket& socket, boost::asio::ssl::context& context) : tls_(socket, context) {}

  /// Names the server. Returns false if OpenSSL refuses the name.
  bool set_host(const std::string& host) {
    ::SSL* const ssl = tls_.native_handle();
    if (parse_ip(host)) return ::X509_VERIFY_PARAM_set1_ip_asc(::SSL_get0_param(ssl), host.c_str()) == 1;
    ::SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return ::SSL_set1_host(ssl, host.c_str()) == 1 && SSL_set_tlsext_host_name(ssl, host.c_str()) == 1;
  }

  void handshake(stream_operation& ended) override {
    tls_.async_handshake(boost::asio::ssl::stream_base::client, [&](const auto& failure) { ended = {failure, 0}; });
  }
  void read_some(boost::asio::mutable_buffer into, stream_operation& ended) override {
    tls_.async_read_some(into, [&](const auto& failure, std::size_t bytes) { ended = {failure, bytes}; });
  }
  void write(boost::asio::const_buffer from, stream_operation& ended) override {
    boost::asio::async_write(tls_, from, [&](const auto& failure, std::size_t bytes) { ended = {failure, bytes}; });
  }

  std::string refusal() const override {
    const long found = ::SSL_get_verify_result(const_cast<stream_type&>(tls_).native_handle());
    switch (found) {
      case X509_V_OK:
        return "it does not agree on a connection with TLS 1.2 or later";
      case X509_V_ERR_CERT_HAS_EXPIRED:
        return "its certificate has expired";
      case X509_V_ERR_CERT_NOT_YET_VALID:
        return "its certificate is not valid yet; is this machine's clock right?";
      case X509_V_ERR_HOSTNAME_MISMATCH:
      case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return "its certificate is that of another host";
      case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
      case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
      case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return "no authority that this system knows has signed its certificate (Debian: ca-certificates; or name a "
               "file of authorities in SSL_CERT_FILE)";
      default:
        return text_of("its certificate is not valid (OpenSSL's number ", found, ")");
    }
  }

 private:
  using stream_type = boost::asio::ssl::stream<boost::asio::ip::tcp::socket&>;
  stream_type tls_;
};

}  // namespace detail

/// See the top of this file.
class openssl_client final : public tls_client {
 public:
  /// Errors: OpenSSL cannot be set up.
  static result<std::shared_ptr<const tls_client>> try_make() {
    return detail::without_exceptions("set up TLS", []() -> result<std::shared_ptr<const tls_client>> {
      auto made = std::make_shared<openssl_client>();
      boost::system::error_code failure;
      made->context_.set_default_verify_paths(failure);
      if (!failure) made->context_.set_verify_mode(boost::asio::ssl::verify_peer, failure);
      if (failure || SSL_CTX_set_min_proto_version(made->context_.native_handle(), TLS1_2_VERSION) != 1)
        return fail(errc::unsupported, "llava: cannot set up TLS: OpenSSL refuses its own settings");
      return std::shared_ptr<const tls_client>(std::move(made));
    });
  }

  result<std::unique_ptr<client_stream>> try_wrap(boost::asio::ip::tcp::socket& socket,
                                                  const std::string& host) const override {
    auto made = std::make_unique<detail::openssl_stream>(socket, context_);
    if (!made->set_host(host))
      return fail(errc::invalid_argument, "llava: TLS cannot be used with this name of a host");
    return std::unique_ptr<client_stream>(std::move(made));
  }

 private:
  mutable boost::asio::ssl::context context_{boost::asio::ssl::context::tls_client};
};

}  // namespace serve
LLAVA_END
