// SPDX-License-Identifier: Apache-2.0
/// relay_records: passes the records of a worker's stream on to a client.
#pragma once
#include <chrono>
#include <cstddef>
#include <string_view>
#include <thread>

#include <llava/serve/http_client.hpp>
#include <llava/serve/http_response.hpp>
#include <llava/serve/stream_records.hpp>

LLAVA_BEGIN
namespace serve {

/// The type of the streams. The original program names none.
inline constexpr std::string_view stream_type = "application/octet-stream";

/// Waits until the client has taken most of what was written, so that it is not dropped for being slow. Returns whether
/// it is still there.
inline bool wait_for_client(const http_response& r, std::size_t unsent = 128 << 10) {
  while (r.unsent() > unsent) {
    if (r.gone().stop_requested()) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return !r.gone().stop_requested();
}

/// Makes the call and writes each record of the answer, ended by a byte 0. Returns whether the worker answered to the
/// end. A last record without its byte 0 gets one, as in the original program.
inline bool relay_records(const http_call& call, const http_response& r) {
  record_splitter records;
  const auto write = [&](std::string_view record) { return wait_for_client(r) && r.write_record(record); };
  const auto reply =
      try_call(call, [&](std::string_view piece) { return static_cast<bool>(records.feed(piece, write)); });
  if (!reply || reply->status != 200) return false;
  if (records.is_inside()) return static_cast<bool>(records.feed(std::string_view("\0", 1), write));
  return true;
}

}  // namespace serve
LLAVA_END
