// SPDX-License-Identifier: Apache-2.0
/// host_buffer: owned bytes, aligned to a cache line and a vector (64), zero at first. Large ones are zero pages of the
/// system until they are touched, so a generous KV cache costs nothing before it is used, and are the system's again at once
/// when a model is closed. A failed allocation is a typed error: a model which does not fit is refused instead of ending the
/// program (R12).
#pragma once
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <llava/base/error.hpp>
#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// Memory of the host, aligned for every instruction set.
class host_buffer {
 public:
  static constexpr std::size_t alignment = 64;
  /// Buffers of so many bytes are pages of their own. calloc would at times take what another buffer has left, and write zeros
  /// to all of it.
  static constexpr std::size_t pages_from = std::size_t{1} << 20;

  host_buffer() = default;
  host_buffer(host_buffer&& other) noexcept { swap(other); }
  host_buffer& operator=(host_buffer&& other) noexcept {
    host_buffer taken(std::move(other));
    swap(taken);
    return *this;
  }
  host_buffer(const host_buffer&) = delete;
  host_buffer& operator=(const host_buffer&) = delete;
  ~host_buffer() {
    if (size_ < pages_from)
      std::free(block_);
    else
      ::munmap(block_, size_);
  }

  /// `bytes` of zeros; `what` names them in the error.
  static result<host_buffer> try_make(std::size_t bytes, std::string_view what) {
    host_buffer b;
    if (bytes == 0) return result<host_buffer>(std::move(b));
    void* const block = bytes < pages_from ? std::calloc(bytes + alignment, 1) : pages_of(bytes);
    if (!block) return fail(errc::out_of_memory, text_of("llava: no memory for ", what, " (", bytes, " bytes)"));
    const auto at = reinterpret_cast<std::uintptr_t>(block);
    b.block_ = block;
    b.data_ = static_cast<std::byte*>(block) + (alignment - at % alignment) % alignment;
    b.size_ = bytes;
    return result<host_buffer>(std::move(b));
  }

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

  /// Copies bytes of the program into the buffer, at once: for loading, not for steps.
  void load(std::size_t offset, const std::byte* from, std::size_t bytes) { std::memcpy(data_ + offset, from, bytes); }

 private:
  static void* pages_of(std::size_t bytes) {
    void* const at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? nullptr : at;
  }
  void swap(host_buffer& other) noexcept {
    std::swap(block_, other.block_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  void* block_ = nullptr;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

LLAVA_END
