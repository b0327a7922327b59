// SPDX-License-Identifier: Apache-2.0
/// The rate at which a kernel reads device memory: the roof of decode. It sums the words of some gigabytes, and the sum
/// is checked. Several numbers of blocks and of loads in flight are tried; the fastest is the roof.
///
///   read_roof [GIGABYTES [RUNS]]
#include <cstdlib>

#include "timing.cuh"

namespace gpu {

/// y[block] = the sum of the words that the block reads. Each thread has `Loads` loads of 16 bytes in flight.
template <int Loads>
struct sum_words {
  static constexpr int threads = 512, min_blocks = 2;
  struct Params {
    const std::uint32_t* x;
    std::uint32_t* y;
    long long pieces;  // of 16 bytes, a multiple of threads · Loads
    int blocks;
  };
  struct Smem {
    std::uint32_t sums[threads / warp_size];
  };
  static grid_size grid(const Params& p) { return {p.blocks}; }
  LLAVA_DEVICE static void run(const Params& p, Smem& s) {
    std::uint32_t sum = 0;
    constexpr int tile = threads * Loads;
    for (long long first = static_cast<long long>(block_index().x) * tile; first < p.pieces;
         first += static_cast<long long>(grid_extents().x) * tile) {
      vec16 x[Loads];
      LLAVA_UNROLL
      for (int i = 0; i < Loads; ++i) x[i] = load16_streaming(p.x + 4 * (first + i * threads + thread_index()));
      LLAVA_UNROLL
      for (int i = 0; i < Loads; ++i) sum += x[i].word[0] + x[i].word[1] + x[i].word[2] + x[i].word[3];
    }
    sum = block_sum(sum, s.sums);
    if (thread_index() == 0) p.y[block_index().x] = sum;
  }
};

namespace {

constexpr unsigned char pattern = 0x5b;

template <int Loads>
llava::result<void> measure(const stream& s, std::size_t bytes, int blocks, int runs, const std::uint32_t* x) {
  using kernel = sum_words<Loads>;
  const std::size_t tile = std::size_t{16} * kernel::threads * Loads, used = bytes / tile * tile;
  LLAVA_TRY(sums, device_bytes::try_make(4 * static_cast<std::size_t>(blocks)));
  const typename kernel::Params p{x, sums.template as<std::uint32_t>(), static_cast<long long>(used / 16), blocks};
  LLAVA_TRY(seconds, try_time(s, runs, [&] { return launch<kernel>(s, p); }));
  std::vector<std::uint32_t> found(static_cast<std::size_t>(blocks));
  LLAVA_CHECK(copy(s, found.data(), p.y, 4 * found.size(), copy_kind::to_host));
  LLAVA_CHECK(finish(s));
  std::uint32_t sum = 0;
  for (const std::uint32_t part : found) sum += part;
  if (sum != static_cast<std::uint32_t>(used / 4) * (pattern * 0x01010101u))
    return llava::fail(llava::errc::mismatch, "the sum of the words that the kernel read is wrong");
  write_figure("read",
               "\"bytes\": " + std::to_string(used) + ", \"blocks\": " + std::to_string(blocks) +
                   ", \"loads\": " + std::to_string(Loads),
               seconds);
  return {};
}

llava::result<void> run(std::size_t bytes, int runs) {
  LLAVA_TRY(devices, try_count_devices());
  static_cast<void>(devices);
  LLAVA_TRY(owned, owned_stream::try_make(0));
  const stream& s = owned.get();
  LLAVA_TRY(memory, device_bytes::try_make(bytes));
  LLAVA_CHECK(fill(s, memory.as<void>(), pattern, bytes));
  int processors = 4;
#if defined(__CUDACC__)
  static_cast<void>(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, 0));
#endif
  for (const int each : {2, 4, 8}) {
    LLAVA_CHECK(measure<4>(s, bytes, each * processors, runs, memory.as<std::uint32_t>()));
    LLAVA_CHECK(measure<8>(s, bytes, each * processors, runs, memory.as<std::uint32_t>()));
  }
  return {};
}

}  // namespace
}  // namespace gpu

int main(int argc, char** argv) {
  const double gigabytes = argc > 1 ? std::atof(argv[1]) : 4;
  const auto done = gpu::run(static_cast<std::size_t>(gigabytes * 1e9), argc > 2 ? std::atoi(argv[2]) : 11);
  if (done) return 0;
  std::fprintf(stderr, "%s\n", done.error().sentence().c_str());
  return done.error().code() == llava::errc::unsupported ? 77 : 1;
}
