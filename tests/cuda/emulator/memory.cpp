// SPDX-License-Identifier: Apache-2.0
/// Device memory. It holds NaN until somebody writes it. Each allocation is one of the host's, so that AddressSanitizer
/// knows its ends; a checked program takes it from the range that it can check.
#include "memory.hpp"

#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>

#include "llava_cuda_host.hpp"
#include "options.hpp"
#include "shadow.hpp"

namespace llava::emulator {
namespace {

/// Memory that is handed out whole, of which `bytes` are used.
struct allocation {
  std::byte* first = nullptr;
  std::size_t room = 0, bytes = 0;
};

class heap {
 public:
  std::byte* allocate(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    allocation a = is_checked() ? take(bytes) : allocation{of_host(bytes), bytes};
    if (a.first == nullptr) return nullptr;
    a.bytes = bytes;
    live_[a.first] = a;
    std::memset(a.first, 0xff, bytes);
    shadow::open(a.first, bytes);
    return a.first;
  }

  void release(std::byte* p) {
    const std::lock_guard lock(mutex_);
    const auto found = live_.find(p);
    if (found == live_.end()) std::abort();  // released twice, or never allocated
    shadow::close(p, found->second.bytes);
    if (is_checked())
      released_.push_back(found->second);
    else
      std::free(p);
    live_.erase(found);
  }

  bool contains(const void* p, std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    const auto* const first = static_cast<const std::byte*>(p);
    auto after = live_.upper_bound(const_cast<std::byte*>(first));
    if (after == live_.begin()) return false;
    const allocation& a = (--after)->second;
    const auto offset = static_cast<std::size_t>(first - a.first);
    return offset <= a.bytes && bytes <= a.bytes - offset;
  }

 private:
  static constexpr std::size_t alignment = 256;

  static std::byte* of_host(std::size_t bytes) {
    void* p = nullptr;
    return posix_memalign(&p, alignment, bytes) == 0 ? static_cast<std::byte*>(p) : nullptr;
  }
  /// Not the same place again while half of the range is new, so that a use of freed memory is found. The other half is
  /// for what no released memory has room for.
  allocation take(std::size_t bytes) {
    const device_range range = shadow::range();
    const std::size_t size = (bytes + 2 * alignment - 1) / alignment * alignment;  // with a gap of at least one byte
    auto best = released_.end();                                                   // the smallest that is large enough
    for (auto i = released_.begin(); used_ > range.bytes / 2 && i != released_.end(); ++i)
      if (i->room >= bytes && (best == released_.end() || i->room < best->room)) best = i;
    if (best == released_.end()) {
      if (size > range.bytes - used_) return {};
      used_ += size;
      return {range.memory + used_ - size, size - alignment};
    }
    const allocation a = *best;
    shadow::forget(a.first, a.bytes);
    released_.erase(best);
    return a;
  }

  std::mutex mutex_;
  std::map<std::byte*, allocation> live_;
  std::deque<allocation> released_;
  std::size_t used_ = alignment;
};

heap& device_heap() {
  static heap& h = *new heap;  // idle workers keep memory until the program has ended
  return h;
}

}  // namespace

std::string check_device(const void* p, std::size_t bytes, bool is_read) {
  if (!device_heap().contains(p, bytes)) return "it is not within one allocation of device memory";
  if (is_read && !shadow::is_open(p, bytes, true)) return "it reads device memory that nobody wrote";
  return {};
}

std::byte* allocate_bytes(std::size_t bytes) { return device_heap().allocate(bytes); }

}  // namespace llava::emulator

namespace llava::cuda_host {

using namespace emulator;

void* allocate(std::size_t bytes) { return allocate_bytes(bytes == 0 ? 1 : bytes); }

void release(void* p) {
  if (p != nullptr) device_heap().release(static_cast<std::byte*>(p));
}

std::string copy_now(void* to, const void* from, std::size_t bytes, bool to_host, bool from_host) {
  shadow::other_work();
  if (std::string found = shadow::host_access(); !found.empty()) return found;
  if (!from_host)
    if (std::string found = check_device(from, bytes, true); !found.empty()) return found;
  if (!to_host) {
    if (std::string found = check_device(to, bytes, false); !found.empty()) return found;
    shadow::initialise(to, bytes);
  }
  std::memmove(to, from, bytes);
  return {};
}

std::string fill_now(void* to, unsigned char value, std::size_t bytes) {
  shadow::other_work();
  if (std::string found = check_device(to, bytes, false); !found.empty()) return found;
  shadow::initialise(to, bytes);
  std::memset(to, value, bytes);
  return {};
}

}  // namespace llava::cuda_host
