// SPDX-License-Identifier: Apache-2.0
/// Every macro of the library is defined here and begins with LLAVA_. A macro is used only where C++20 has no
/// alternative: one sentence for a static_assert and a run-time error, an early return, the ABI namespace, and the
/// regions in which a compiler may use a wider instruction set.
#pragma once

// Every header includes this one before its first line of code. `#error` does not stop a compiler, which then reports
// hundreds of errors. A header that cannot exist stops it, and its name is the message.
#if __cplusplus < 202002L
#include "llava: these headers are C++20: compile with -std=c++20"
#endif

#define LLAVA_VERSION_MAJOR 0
#define LLAVA_VERSION_MINOR 1
#define LLAVA_VERSION_PATCH 0

/// Ops check their operands against their contracts (ops/shapes.hpp), unless a program defines LLAVA_UNCHECKED for all
/// of its translation units. A wrong shape is then undefined behaviour.
#if defined(LLAVA_UNCHECKED)
#define LLAVA_CHECKED 0
#else
#define LLAVA_CHECKED 1
#endif

/// Functions that do not depend on a user's type are declared in one header and defined in another, `…_inl.hpp`. By
/// default the first includes the second. A program that links llava::compiled defines LLAVA_COMPILED for all of its
/// translation units; then only that library contains the definitions (cmake/compiled/).
#if defined(LLAVA_COMPILED)
#define LLAVA_HEADER_ONLY 0
#define LLAVA_INLINE
#else
#define LLAVA_HEADER_ONLY 1
#define LLAVA_INLINE inline
#endif

#if LLAVA_CHECKED && LLAVA_HEADER_ONLY
#define LLAVA_ABI abi_0_1
#elif LLAVA_CHECKED
#define LLAVA_ABI abi_0_1_compiled
#elif LLAVA_HEADER_ONLY
#define LLAVA_ABI abi_0_1_unchecked
#else
#define LLAVA_ABI abi_0_1_unchecked_compiled
#endif

/// Everything is in the inline namespace `llava::abi_0_1`. An option that changes the compiled code changes the
/// namespace, so translation units with different options fail to link instead of sharing a struct or a function that
/// they define differently.
#define LLAVA_BEGIN \
  namespace llava { \
  inline namespace LLAVA_ABI {
#define LLAVA_END \
  }               \
  }

/// 1 if exceptions are enabled. Without them only the `try_` functions exist.
#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
#define LLAVA_EXCEPTIONS 1
#else
#define LLAVA_EXCEPTIONS 0
#endif

/// `LLAVA_TRY(name, expression);` with an expression of type result<T>: returns its error from the enclosing function,
/// or declares `name` as its value. `LLAVA_CHECK(expression);` is the same for result<void>.
#define LLAVA_TRY(name, ...)                                   \
  auto name##_result = (__VA_ARGS__);                          \
  if (!name##_result) return std::move(name##_result).error(); \
  auto& name = *name##_result
#define LLAVA_CHECK(...)                                                                       \
  do {                                                                                         \
    if (auto llava_check = (__VA_ARGS__); !llava_check) return std::move(llava_check).error(); \
  } while (false)

/// Defines one rule of a configuration, with a sentence that begins with "llava: ". A loaded configuration uses
/// `Name::holds(c)` and `Name::sentence`, a fixed one the static_assert `Name::require<&config>()`. C++20 accepts only
/// a literal there, hence the macro. The condition refers to the configuration as `c`.
#define LLAVA_RULE(Name, Config, Sentence, ...)                          \
  struct Name {                                                          \
    static constexpr std::string_view sentence = Sentence;               \
    static constexpr bool holds(const Config& c) { return __VA_ARGS__; } \
    template <const Config* C>                                           \
    static constexpr bool require() {                                    \
      static_assert(holds(*C), Sentence);                                \
      return holds(*C);                                                  \
    }                                                                    \
  }

/// Marks functions that a kernel file must inline: a call would leave the region of its instruction set.
#if defined(_MSC_VER)
#define LLAVA_ALWAYS_INLINE __forceinline
#else
#define LLAVA_ALWAYS_INLINE inline __attribute__((always_inline))
#endif

/// Compiles the functions between BEGIN and END for the named instruction set, regardless of compiler options.
#define LLAVA_PRAGMA(...) _Pragma(#__VA_ARGS__)
#if defined(__clang__)
#define LLAVA_TARGET_BEGIN(isa) LLAVA_PRAGMA(clang attribute push(__attribute__((target(isa))), apply_to = function))
#define LLAVA_TARGET_END LLAVA_PRAGMA(clang attribute pop)
#else
#define LLAVA_TARGET_BEGIN(isa) LLAVA_PRAGMA(GCC push_options) LLAVA_PRAGMA(GCC target(isa))
#define LLAVA_TARGET_END LLAVA_PRAGMA(GCC pop_options)
#endif

/// Rounds the float variable x: the compiler may not fuse the operation that gave it with one that follows
/// (-ffp-contract, which GCC uses wherever the target has a fused multiply-add).
#if defined(__SSE2__)
#define LLAVA_ROUND(x) __asm__("" : "+x"(x))
#elif defined(__aarch64__)
#define LLAVA_ROUND(x) __asm__("" : "+w"(x))
#else
#define LLAVA_ROUND(x) static_cast<void>(x = static_cast<const volatile float&>(x))
#endif

/// Tells the processor that a loop waits for another thread.
#if defined(__x86_64__) || defined(__i386__)
#define LLAVA_PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define LLAVA_PAUSE() __asm__ __volatile__("yield")
#else
#define LLAVA_PAUSE() static_cast<void>(0)
#endif

/// Kernels (backend/cuda/) are compiled by nvcc for the device, or by any compiler for the host, where tests run them.
/// LLAVA_DEVICE marks a function that kernels call, LLAVA_HOST_DEVICE one that the host calls too, inline in the
/// kernels of every instruction set. Objects of both kinds can be linked into one program: each has an inline namespace
/// of its own.
#if defined(__CUDACC__)
#define LLAVA_DEVICE __device__ __forceinline__
#define LLAVA_HOST_DEVICE __host__ __device__ __forceinline__
#define LLAVA_CUDA_ABI device_code
#else
#define LLAVA_DEVICE inline
#define LLAVA_HOST_DEVICE LLAVA_ALWAYS_INLINE
#define LLAVA_CUDA_ABI host_code
#endif
#define LLAVA_CUDA_BEGIN  \
  LLAVA_BEGIN             \
  namespace cuda_backend { \
  inline namespace LLAVA_CUDA_ABI {
#define LLAVA_CUDA_END \
  }                    \
  }                    \
  LLAVA_END
/// Unrolls the loop that follows, in device code.
#if defined(__CUDACC__)
#define LLAVA_UNROLL LLAVA_PRAGMA(unroll)
#else
#define LLAVA_UNROLL
#endif
