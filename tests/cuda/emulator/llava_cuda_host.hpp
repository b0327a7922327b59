// SPDX-License-Identifier: Apache-2.0
/// The host implementation of the device vocabulary (backend/cuda/device.cuh), found on the include path. It declares
/// what the library's headers call, `llava::cuda_host`; the emulator defines it. Each call is made by one CUDA thread,
/// which is a fiber, and `at` is the place of the source that reports name.
///
/// Checks: a mistake ends the launch, and its sentence is what launch() returns.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <source_location>
#include <string>

namespace llava::cuda_host {

using call_site = std::source_location;

/// What all lanes of a warp do together. Lanes that do different things at once have diverged.
enum class warp_op : std::uint8_t {
  none,
  sync,
  shuffle,
  shuffle_xor,
  shuffle_up,
  shuffle_down,
  ballot,
  mma_f16,
  mma_bf16,
  mma_s8,
  ldmatrix,
  ldmatrix_transposed
};
/// How a load may be cached: `readonly` memory is not written while a kernel runs.
enum class cache : std::uint8_t { coherent, readonly };

/// @name Threads
/// @{
int thread_index();
std::array<int, 3> block_index();
std::array<int, 3> grid_extents();
void sync_block(const call_site& at);
bool sync_block_or(bool any, const call_site& at);
void sync_warp(const call_site& at);
std::uint32_t ballot(bool vote, const call_site& at);
/// The 8 bytes of lane `from`.
std::uint64_t shuffle_bits(std::uint64_t bits, int from, warp_op op, const call_site& at);
template <class T>
T shuffle(T x, int from, warp_op op, const call_site& at) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &x, sizeof x);
  bits = shuffle_bits(bits, from, op, at);
  std::memcpy(&x, &bits, sizeof x);
  return x;
}
/// The 8 bytes of every lane.
void gather_bits(std::uint64_t bits, std::uint64_t (&all)[32], const call_site& at);
template <class T>
void gather(T x, T (&all)[32], const call_site& at) {
  std::uint64_t bits = 0, bits_of_all[32];
  std::memcpy(&bits, &x, sizeof x);
  gather_bits(bits, bits_of_all, at);
  for (int i = 0; i < 32; ++i) std::memcpy(&all[i], &bits_of_all[i], sizeof x);
}
void* shared_memory();
void wait_for_previous_kernels(const call_site& at);
/// Whether this block is the last of `blocks` that arrives at the counter.
bool arrive(std::uint32_t* counter, int blocks, const call_site& at);
/// @}

/// @name Memory
/// @{
void load(void* to, const void* global, std::size_t bytes, cache how, const call_site& at);
void prefetch(const void* global, const call_site& at);
void store(void* global, const void* from, std::size_t bytes, const call_site& at);
void copy_async(void* shared, const void* global, std::size_t bytes, bool valid, const call_site& at);
void commit_copies();
void wait_for_copies(int pending);
/// @}

/// @name Matrices and arithmetic
/// @{
void mma_m16n8k16(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2], warp_op op,
                  const call_site& at);
/// c += a · b of signed bytes, 16×16 · 16×8.
void mma_m16n8k16_s8(std::int32_t (&c)[4], const std::uint32_t (&a)[2], std::uint32_t b, const call_site& at);
void load_matrices(std::uint32_t (&words)[4], const void* row, warp_op op, const call_site& at);
/// a · b + c rounded to odd: a value that later rounds to any shorter format as if it were exact. a and b are f16 or
/// bf16, so their product is exact in double.
float multiply_add_to_odd(float a, float b, float c);
/// @}

/// @name The runtime
/// @{

struct launch_options {
  std::array<int, 3> grid;
  int threads;
  std::size_t shared_bytes;
  std::size_t params_bytes;
  bool programmatic;
};
/// Runs `run(params)` in each thread of the grid. Returns an empty text, or the first mistake.
std::string launch_now(const launch_options&, void (*run)(const void*), const void* params);
std::string copy_now(void* to, const void* from, std::size_t bytes, bool to_host, bool from_host);
std::string fill_now(void* to, unsigned char value, std::size_t bytes);

void* allocate(std::size_t bytes);
void release(void*);
void* allocate_pinned(std::size_t bytes);
void release_pinned(void*);
int count_devices();

/// A stream: what it is told, it does in finish() and no sooner, so that a host that does not wait finds nothing. It
/// does nothing after a mistake, until finish() has returned that. Without a stream all is done at once.
using native_stream = struct stream_state*;
native_stream make_stream();
void destroy_stream(native_stream);
std::string launch(native_stream, const launch_options&, void (*run)(const void*), const void* params);
std::string copy(native_stream, void* to, const void* from, std::size_t bytes, bool to_host, bool from_host);
std::string fill(native_stream, void* to, unsigned char value, std::size_t bytes);
std::string finish(native_stream);

/// A place in a stream. wait() does what the stream was told before it, and no more. The stream must live.
using native_event = struct event_state*;
native_event make_event();
void destroy_event(native_event);
void record(native_event, native_stream);
std::string wait(native_event);

/// What a stream is told between begin_recording() and end_recording(), which it does only when it is repeated.
using native_graph = struct graph_state*;
void begin_recording(native_stream);
native_graph end_recording(native_stream);
void repeat(native_stream, native_graph);
void destroy_graph(native_graph);
/// @}

}  // namespace llava::cuda_host
