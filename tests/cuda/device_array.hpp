// SPDX-License-Identifier: Apache-2.0
/// Arrays in device memory for tests, on a device or on the emulator.
#pragma once
#include <cstddef>
#include <utility>
#include <vector>

#include <llava/backend/cuda/kernel.cuh>

namespace cuda_test {

namespace device = llava::cuda_backend;

/// The stream of all tests: the default one.
inline device::stream& test_stream() {
  static device::stream s;
  return s;
}

/// `count` elements of device memory. Without values they are uninitialised.
template <class T>
class device_array {
 public:
  explicit device_array(std::size_t count) : count_(count), memory_(device::try_allocate(count * sizeof(T)).value()) {}
  explicit device_array(const std::vector<T>& values) : device_array(values.size()) { write(values); }
  device_array(device_array&& other) noexcept : count_(other.count_), memory_(std::exchange(other.memory_, nullptr)) {}
  device_array& operator=(device_array&&) = delete;
  ~device_array() { release(); }

  /// Releases the memory, which data() still names.
  void release() {
    if (!is_released_) device::release(memory_);
    is_released_ = true;
  }
  void write(const std::vector<T>& values) {
    device::copy(test_stream(), memory_, values.data(), values.size() * sizeof(T), device::copy_kind::to_device)
        .value();
  }
  std::vector<T> read() const {
    std::vector<T> values(count_);
    device::copy(test_stream(), values.data(), memory_, count_ * sizeof(T), device::copy_kind::to_host).value();
    device::finish(test_stream()).value();
    return values;
  }
  T* data() const { return static_cast<T*>(memory_); }
  std::size_t size() const { return count_; }

 private:
  std::size_t count_;
  void* memory_;
  bool is_released_ = false;
};

}  // namespace cuda_test
