// SPDX-License-Identifier: Apache-2.0
/// The device vocabulary: all that a kernel says beyond plain C++. A kernel file has no PTX, no `__shared__`, no
/// `__syncthreads()` and no `<<<>>>`: so one source is compiled by nvcc for the device, and by any compiler for the
/// host, where the tests run it on an emulator (docs/cuda.md).
///
/// | header | contents |
/// |---|---|
/// | device/thread.cuh | indices, barriers, shuffles, votes, shared memory, grid dependencies |
/// | device/reduce.cuh | sums and maxima over a warp and a block, in a fixed order; the last block that arrives |
/// | device/memory.cuh | 16-byte loads and stores, cp.async |
/// | device/convert.cuh | f32, f16, bf16, fp8; packed pairs; int4 and int8 to pairs |
/// | device/matrix.cuh | fragments, ldmatrix, mma |
/// | device/math.cuh | exp2, rsqrt, reciprocal, maximum |
///
/// Each primitive has two bodies: PTX or an intrinsic for nvcc, and a call of `llava::cuda_host` otherwise. That
/// namespace is in `<llava_cuda_host.hpp>`, a header that the library does not have: whoever compiles kernels for the
/// host puts its folder on the include path. The tests' is tests/cuda/emulator.
///
/// "PTX:" names the instruction; its section of the PTX ISA, version 9.0, defines it. All 32 lanes of a warp call a
/// warp function, and all threads of a block a barrier, at one place of the source. The last parameter `at` is that
/// place, which the emulator reports; on the device it is empty. Targets: sm_80 and later.
#pragma once
#include <llava/backend/cuda/device/convert.cuh>
#include <llava/backend/cuda/device/math.cuh>
#include <llava/backend/cuda/device/matrix.cuh>
#include <llava/backend/cuda/device/memory.cuh>
#include <llava/backend/cuda/device/reduce.cuh>
#include <llava/backend/cuda/device/thread.cuh>
