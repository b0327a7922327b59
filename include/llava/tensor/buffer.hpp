// SPDX-License-Identifier: Apache-2.0
/// memory: allocates a backend's weights, caches and activations. buffer: owned bytes of a memory. A failed allocation
/// is a typed error, so a model that does not fit is refused instead of ending the program (R12).
///
/// host_memory: the host's memory. The pages of its large buffers take memory only when they are first accessed, so a
/// large KV cache costs nothing before it is used. They return to the system as soon as a model is closed.
#pragma once
#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

#include <llava/base/error.hpp>
#include <llava/base/macros.hpp>

LLAVA_BEGIN

class buffer;

/// A kind of memory: the host's, or one device's. It has no state, and its object lives as long as the program.
class memory {
 public:
  /// Alignment of every buffer, in bytes: a cache line, and the widest vector.
  static constexpr std::size_t alignment = 64;

  /// Allocates `bytes` bytes of zeros. `what` names them in the error.
  result<buffer> try_allocate(std::size_t bytes, std::string_view what) const;

  /// Copies host bytes to `to` in this memory; for loading, not for steps. `from` may be reused when it returns, and
  /// the ops that are called after it find the bytes. An error may be that of an earlier copy to this memory.
  virtual result<void> try_load(std::byte* to, const std::byte* from, std::size_t bytes) const = 0;

  /// Frees memory from allocate(). For buffer.
  virtual void release(std::byte* at, std::size_t bytes) const noexcept = 0;

 protected:
  /// Returns `bytes` > 0 bytes of zeros, or null if refused.
  virtual std::byte* allocate(std::size_t bytes) const noexcept = 0;
  ~memory() = default;
};

/// Owned bytes of a memory.
class buffer {
 public:
  buffer() = default;
  buffer(buffer&& other) noexcept
      : memory_(other.memory_), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  buffer& operator=(buffer&& other) noexcept {
    buffer taken(std::move(other));
    std::swap(memory_, taken.memory_);
    std::swap(data_, taken.data_);
    std::swap(size_, taken.size_);
    return *this;
  }
  buffer(const buffer&) = delete;
  buffer& operator=(const buffer&) = delete;
  ~buffer() {
    if (data_) memory_->release(data_, size_);
  }

  /// An address in the memory. Only ops may access it, unless it is host memory.
  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

  /// Copies host bytes to `offset`, as memory::try_load().
  result<void> try_load(std::size_t offset, const std::byte* from, std::size_t bytes) {
    if (bytes == 0) return {};
    return memory_->try_load(data_ + offset, from, bytes);
  }

 private:
  friend memory;
  buffer(const memory& of, std::byte* data, std::size_t size) : memory_(&of), data_(data), size_(size) {}

  const memory* memory_ = nullptr;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

inline result<buffer> memory::try_allocate(std::size_t bytes, std::string_view what) const {
  if (bytes == 0) return buffer();
  std::byte* const at = allocate(bytes);
  if (!at) return fail(errc::out_of_memory, text_of("llava: no memory for ", what, " (", bytes, " bytes)"));
  return buffer(*this, at, bytes);
}

namespace detail {
class host_memory final : public memory {
 public:
  result<void> try_load(std::byte* to, const std::byte* from, std::size_t bytes) const override {
    std::memcpy(to, from, bytes);
    return {};
  }
  void release(std::byte* at, std::size_t bytes) const noexcept override {
    if (bytes < pages_from)
      std::free(at);
    else
      ::munmap(at, bytes);
  }

 private:
  /// Buffers of at least this many bytes have their own pages. calloc may reuse the memory of a freed buffer and write
  /// zeros to all of it.
  static constexpr std::size_t pages_from = std::size_t{1} << 20;

  std::byte* allocate(std::size_t bytes) const noexcept override {
    if (bytes >= pages_from) {
      void* const pages = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      return pages == MAP_FAILED ? nullptr : static_cast<std::byte*>(pages);
    }
    const std::size_t whole = (bytes + alignment - 1) / alignment * alignment;
    void* const block = std::aligned_alloc(alignment, whole);
    return block ? static_cast<std::byte*>(std::memset(block, 0, whole)) : nullptr;
  }
};
inline constexpr host_memory the_host_memory{};
}  // namespace detail

/// The host's memory.
inline const memory& host_memory() { return detail::the_host_memory; }

LLAVA_END
