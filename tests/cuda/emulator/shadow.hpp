// SPDX-License-Identifier: Apache-2.0
/// The checks of a checked program (docs/cuda.md). Its kernels are compiled with -fsanitize=thread and linked with the
/// functions of instrumented.cpp, so that each access to memory comes here; in other programs nothing here has an
/// effect.
///
/// Each byte of device memory has a state (open, initialised, destination of a copy) and a history: the last write and
/// the reads since. Two accesses to a byte, one of them a write, must be ordered: by a barrier of the block, by
/// sync_warp() within a warp, by arrives_last() or the end of a kernel between blocks. Otherwise they are a race,
/// whether or not this run gave a wrong result.
#pragma once
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <string>

namespace llava::emulator {

struct block;

/// Whether the code that runs now is a kernel's. Only its accesses are checked.
extern constinit thread_local bool is_kernel_code;
/// Around the code of a kernel.
struct kernel_code {
  kernel_code() { is_kernel_code = true; }
  ~kernel_code() { is_kernel_code = false; }
  kernel_code(const kernel_code&) = delete;
};
/// Around the emulator's own code, where a kernel calls it.
struct emulator_code {
  emulator_code() { is_kernel_code = false; }
  ~emulator_code() { is_kernel_code = true; }
  emulator_code(const emulator_code&) = delete;
};

/// Device memory lies in one range of addresses of a checked program, so that the state of a byte is found by its
/// offset.
struct device_range {
  std::byte* memory;
  std::size_t bytes;
};

namespace shadow {

device_range range();

/// @name Memory
/// @{
/// Bytes that kernels may use from now on, uninitialised.
void open(const void*, std::size_t);
/// Bytes that they may no longer use.
void close(const void*, std::size_t);
/// Closed bytes that count as never used.
void forget(const void*, std::size_t);
/// Bytes that the host wrote.
void initialise(const void*, std::size_t);
/// Whether these bytes are open and, if asked, initialised. True in a program that is not checked.
bool is_open(const void*, std::size_t, bool initialised);
/// Host memory that kernels may use too, without further checks; no longer so.
void share(const void*, std::size_t);
void unshare(const void*);
/// Copies and fills wait for the kernel before them.
void other_work();
/// @}

/// @name Launches
/// @{
/// The parameters are the only host memory that a kernel may read.
void begin_launch(const void* params, std::size_t params_bytes, bool programmatic);
void begin_block(block&, std::byte* arena, std::size_t arena_bytes);
/// A block has arrived at a counter, perhaps as the last one.
void arrive(const void* counter, bool is_last);
/// An access of the host to device memory since the last call, as a sentence, or nothing.
std::string host_access();
/// @}

/// @name Accesses by the vocabulary, which throw a mistake
/// @{
void check_read(const void*, std::size_t, const std::source_location& at);
void check_readonly(const void*, std::size_t, const std::source_location& at);
void check_write(const void*, std::size_t, const std::source_location& at);
void check_atomic(const void*, std::size_t, const std::source_location& at);
void begin_copy(const void*, std::size_t, const std::source_location& at);
void end_copy(const void*, std::size_t);
/// @}

/// An access of instrumented code. It does not return to a kernel that made a mistake.
void access(const void*, std::size_t, bool is_write, bool is_aligned, const void* return_address);

}  // namespace shadow
}  // namespace llava::emulator
