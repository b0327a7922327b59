// SPDX-License-Identifier: Apache-2.0
/// What the kernels of the vectors share.
#pragma once
#include "../device_array.hpp"
#include "vectors.hpp"

namespace cuda_vectors {

using namespace llava::cuda_backend;

/// The Params of all kernels here. An element is some words of x and of y.
struct in_and_out {
  const std::uint32_t* x;
  std::uint32_t* y;
  int count;  // of elements
};

/// The words that K writes.
template <class K>
words written(const words& x, std::size_t outputs, int count) {
  const cuda_test::device_array<std::uint32_t> in(x), out(words(outputs, 0));
  launch<K>(cuda_test::test_stream(), {in.data(), out.data(), count}).value();
  return out.read();
}

}  // namespace cuda_vectors
