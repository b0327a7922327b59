// SPDX-License-Identifier: Apache-2.0
/// name_lookup: the addresses of a host's name. The system's resolver cannot be cancelled, so that it runs on a thread
/// of its own, which those who wait may leave behind.
#pragma once
#include <netdb.h>
#include <sys/socket.h>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <llava/base/macros.hpp>

LLAVA_BEGIN
namespace serve::detail {

/// One look-up.
class name_lookup {
 public:
  explicit name_lookup(std::string host) : host_(std::move(host)) {}

  /// Begins to look up. Errors: std::system_error, no thread.
  static std::shared_ptr<name_lookup> start(const std::string& host) {
    auto made = std::make_shared<name_lookup>(host);
    std::thread([made] { made->run(); }).detach();
    return made;
  }
  /// Waits at most `time`. Returns whether it has ended.
  bool wait(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    return ended_.wait_for(lock, time, [this] { return is_over_; });
  }
  std::vector<boost::asio::ip::address> take() { return std::move(found_); }

 private:
  void run() noexcept {
    ::addrinfo wanted{}, *list = nullptr;
    wanted.ai_socktype = SOCK_STREAM;
    const bool is_found = ::getaddrinfo(host_.c_str(), nullptr, &wanted, &list) == 0;
    const std::lock_guard lock(mutex_);
    is_over_ = true;
    try {
      for (const ::addrinfo* a = is_found ? list : nullptr; a; a = a->ai_next) {
        boost::asio::ip::tcp::endpoint one;
        if (a->ai_addrlen > one.capacity()) continue;
        std::memcpy(one.data(), a->ai_addr, a->ai_addrlen);
        found_.push_back(one.address());
      }
    } catch (...) {  // no memory: what was found so far
    }
    if (is_found) ::freeaddrinfo(list);
    ended_.notify_all();
  }

  const std::string host_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool is_over_ = false;
  std::vector<boost::asio::ip::address> found_;
};

}  // namespace serve::detail
LLAVA_END
