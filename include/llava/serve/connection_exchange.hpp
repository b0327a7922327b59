// SPDX-License-Identifier: Apache-2.0
/// connection_exchange: the answer to one request of a connection, as HTTP.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/serve/http_connection.hpp>
#include <llava/serve/http_reply_text.hpp>
#include <llava/serve/http_response.hpp>

LLAVA_BEGIN
namespace serve::detail {

/// Frames the answer to one request. The connection holds it weakly: it lives as long as the handler's handles.
class connection_exchange final : public http_exchange {
 public:
  connection_exchange(std::shared_ptr<http_connection> connection, const http_head& head,
                      std::vector<http_header> always)
      : connection_(std::move(connection)),
        always_(std::move(always)),
        is_head_(head.method == "HEAD"),
        is_1_1_(head.is_1_1) {}

  ~connection_exchange() override {
    try {
      if (state_ == state::fresh) {
        const http_fault_reply r = reply_of(http_fault::internal);
        reply(r.status, http_response::json_type, error_json(r.message, r.type, {}, r.code), {});
      }
    } catch (...) {  // no memory
    }
    if (state_ != state::done) connection_->abort();
  }

  bool reply(int status, std::string_view content_type, std::string body, std::vector<http_header> more) override {
    const std::lock_guard lock(mutex_);
    if (state_ != state::fresh) return false;
    if (!is_valid(status, content_type, more)) {
      const http_fault_reply r = reply_of(http_fault::internal);
      status = r.status, content_type = http_response::json_type;
      body = error_json(r.message, r.type, {}, r.code), more.clear();
    }
    const bool with_body = has_body(status);
    std::string text = head_of(status, content_type, with_body ? text_of("Content-Length: ", body.size()) : "", more);
    if (with_body && !is_head_) text += body;
    const bool is_sent = connection_->send(text, false);
    state_ = state::done;  // not before: without memory for the text, the destructor may have enough for its own
    connection_->finish();
    return is_sent;
  }

  bool begin(int status, std::string_view content_type, std::vector<http_header> more) override {
    const std::lock_guard lock(mutex_);
    if (state_ != state::fresh || !has_body(status) || !is_valid(status, content_type, more)) return false;
    const bool is_sent =
        connection_->send(head_of(status, content_type, is_1_1_ ? "Transfer-Encoding: chunked" : "", more), true);
    state_ = state::stream;
    return is_sent;
  }

  bool write(std::string_view piece) override {
    const std::lock_guard lock(mutex_);
    if (state_ != state::stream) return false;
    if (piece.empty() || is_head_) return !*gone_;
    return is_1_1_ ? connection_->send(chunk_of(piece), true) : connection_->send(piece, true);
  }

  bool end() override {
    const std::lock_guard lock(mutex_);
    if (state_ != state::stream) return false;
    const bool is_sent = connection_->send(is_1_1_ && !is_head_ ? last_chunk : std::string_view(), false);
    state_ = state::done;
    connection_->finish();
    return is_sent;
  }

  std::size_t unsent() const override { return connection_->unsent(); }

  stop_signal gone() const override { return stop_signal(flag{gone_}); }

  void on_gone(hook<void()> call) override {
    {
      const std::lock_guard lock(mutex_);
      if (!*gone_) {
        if (state_ != state::done) calls_.push_back(std::move(call));
        return;
      }
    }
    if (call) call();
  }

  /// Called by the connection when the client is gone.
  void set_gone() {
    std::vector<hook<void()>> calls;
    {
      const std::lock_guard lock(mutex_);
      if (state_ == state::done) return;
      state_ = state::done;
      *gone_ = true;
      calls.swap(calls_);
    }
    for (const auto& call : calls)
      if (call) call();
  }

 private:
  enum class state { fresh, stream, done };
  struct flag {
    std::shared_ptr<const std::atomic<bool>> is_set;
    bool stop_requested() const noexcept { return *is_set; }
  };

  static bool is_valid(int status, std::string_view content_type, const std::vector<http_header>& more) {
    return status >= 200 && status <= 599 && is_header_value(content_type) && are_valid_headers(more);
  }
  std::string head_of(int status, std::string_view content_type, std::string_view framing,
                      std::vector<http_header>& more) const {
    more.insert(more.end(), always_.begin(), always_.end());
    // Without a length or chunks, the end of the connection ends the body.
    if (framing.empty() && has_body(status)) connection_->forbid_keep_alive();
    return head_text(status, content_type, framing, connection_->keeps_alive(), more);
  }

  const std::shared_ptr<http_connection> connection_;
  const std::vector<http_header> always_;
  const bool is_head_, is_1_1_;
  const std::shared_ptr<std::atomic<bool>> gone_ = std::make_shared<std::atomic<bool>>(false);
  std::mutex mutex_;
  state state_ = state::fresh;
  std::vector<hook<void()>> calls_;
};

}  // namespace serve::detail
LLAVA_END
