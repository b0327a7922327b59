// SPDX-License-Identifier: Apache-2.0
// Programs define macros: this file includes every header after definitions of common words by other libraries. Only
// headers of the standard library and of the optional libraries come first; RapidJSON comes with the library's headers.
#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <complex>
#include <concepts>
#include <condition_variable>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <initializer_list>
#include <iostream>
#include <iterator>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <memory_resource>
#include <mutex>
#include <new>
#include <numeric>
#include <optional>
#include <random>
#include <ranges>
#include <regex>
#include <set>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>
#if LLAVA_TEST_IMAGE_FILES
#include <jpeglib.h>
#include <png.h>
#endif
#if LLAVA_TEST_EIGEN
#include <Eigen/Core>
#endif

// windows.h and similar headers
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#define near
#define far
#define NEAR
#define FAR
#define IN
#define OUT
#define OPTIONAL
#define CONST const
#define VOID void
#define TRUE 1
#define FALSE 0
#define ERROR 0
#define NO_ERROR 0
#define DELETE (0x00010000L)
#define IGNORE 0
#define INFINITE 0xffffffff
#define ABSOLUTE 1
#define RELATIVE 2
#define OPAQUE 2
#define TRANSPARENT 1
#define DIFFERENCE 11
#define STRICT 1
#define PASCAL
#define CALLBACK
#define interface struct
#define small char
#define hyper long long
#define cdecl
#define TEXT(x) L##x
#define GetObject GetObjectA
#define GetMessage GetMessageA
#define LoadImage LoadImageA
#define CreateFile CreateFileA
#define DrawText DrawTextA
#define Yield()
// Xlib.h and X.h
#define Bool int
#define Status int
#define True 1
#define False 0
#define None 0L
#define Success 0
#define Always 2
#define Above 0
#define Below 1
#define Complex 0
#define Nonconvex 1
#define Convex 2
#define Unsorted 0
#define GrayScale 1
#define KeyPress 2
#define FocusIn 9
#define Opposite 4
#define CurrentTime 0L
// Qt
#define signals public
#define slots
#define emit
#define foreach(variable, container) for (variable : container)
#define forever for (;;)
// sys/sysmacros.h, math.h, termios.h, curses.h, the Linux kernel
#define major(device) 0
#define minor(device) 0
#define makedev(a, b) 0
#define DOMAIN 1
#define OVERFLOW 3
#define UNDERFLOW 4
#define HUGE 3.4e38f
#define ECHO 0000010
#define B0 0000000
#define ERR (-1)
#define OK 0
#define LOG(x) do_log(x)
#define unused(x) (void)(x)
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define countof(a) (sizeof(a) / sizeof(a[0]))
#define container_of(p, t, m) 0

#include <llava.hpp>
#include <llava/chat_model.hpp>
#include <llava/grammar/constraint.hpp>
#include <llava/grammar/described_value.hpp>
#include <llava/pipeline/erase.hpp>
#if LLAVA_TEST_IMAGE_FILES
#include <llava/image/file.hpp>
#include <llava/image/frames_file.hpp>
#endif
#if LLAVA_TEST_EIGEN
#include <llava/backend/eigen.hpp>
#endif
