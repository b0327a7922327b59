// SPDX-License-Identifier: Apache-2.0
/// Planted mistakes: memory that is uninitialised, out of bounds, freed, not the device's, or misaligned.
#include <array>

#include "planted.hpp"

namespace cuda_test {
namespace {

constexpr auto checked = finder::checked_program;

struct two_rows {
  float a[32], b[32];
};

template <bool Wrong>
struct uninitialised_shared : small_kernel<output, two_rows> {
  static void run(const output& p, two_rows& s) {
    const int t = thread_index();
    if (!Wrong || t < 31) s.a[t] = 1;
    sync_block();
    p.y[t] = s.a[31 - t];
  }
};

struct in_and_out {
  const float* x;
  float* y;
};
auto new_in_and_out(std::size_t in, std::size_t out, std::size_t initialised) {
  device_array<float> x(in), y(out);
  x.write(std::vector<float>(initialised, 1.f));
  const in_and_out p{x.data(), y.data()};
  return std::pair(std::pair(std::move(x), std::move(y)), p);
}

template <bool Wrong>
struct uninitialised_global : small_kernel<in_and_out> {
  static void run(const in_and_out& p, no_shared_memory&) {
    p.y[thread_index()] = p.x[thread_index() + (Wrong ? 1 : 0)];
  }
};

template <bool Wrong>
struct past_shared : small_kernel<output, two_rows> {
  static void run(const output& p, two_rows& s) {
    s.b[thread_index()] = 1;
    sync_block();
    p.y[thread_index()] = (&s.b[0])[thread_index() + (Wrong ? 1 : 0)];
  }
};

template <bool Wrong>
struct past_global_read : small_kernel<in_and_out> {
  static void run(const in_and_out& p, no_shared_memory&) {
    p.y[thread_index()] = p.x[thread_index() + (Wrong ? 1 : 0)];
  }
};

template <bool Wrong>
struct past_global_write : small_kernel<output> {
  static void run(const output& p, no_shared_memory&) { p.y[thread_index() - (Wrong ? 1 : 0)] = 1; }
};

template <bool Wrong>
struct past_vector_load : small_kernel<in_and_out> {
  static void run(const in_and_out& p, no_shared_memory&) {
    store16(p.y + 4 * thread_index(), load16_streaming(p.x + 4 * (thread_index() + (Wrong ? 1 : 0))));
  }
};

struct maybe_freed {
  const float *x, *freed;
  float* y;
};
template <bool Wrong>
struct freed : small_kernel<maybe_freed> {
  static void run(const maybe_freed& p, no_shared_memory&) {
    p.y[thread_index()] = (Wrong ? p.freed : p.x)[thread_index()];
  }
};

struct two_sources {
  const float *x, *of_host;
  float* y;
};
template <bool Wrong>
struct of_the_host : small_kernel<two_sources> {
  static void run(const two_sources& p, no_shared_memory&) {
    p.y[thread_index()] = (Wrong ? p.of_host : p.x)[thread_index()];
  }
};

template <bool Wrong>
struct misaligned_load : small_kernel<in_and_out> {
  static void run(const in_and_out& p, no_shared_memory&) {
    store16(p.y + 4 * thread_index(), load16(p.x + 4 * thread_index() + (Wrong ? 1 : 0)));
  }
};

struct row_of_words {
  alignas(16) std::uint32_t x[132];
};
template <bool Wrong>
struct misaligned_shared : small_kernel<output, row_of_words> {
  static void run(const output& p, row_of_words& s) {
    for (int i = thread_index(); i < 132; i += 32) s.x[i] = 1;
    sync_block();
    const vec16 x = *reinterpret_cast<const vec16*>(s.x + 4 * thread_index() + (Wrong ? 1 : 0));
    store16(p.y + 4 * thread_index(), x);
  }
};

struct half_rows {
  alignas(16) llava::f16 x[33 * 8];
};
template <bool Wrong>
struct misaligned_matrix : small_kernel<output, half_rows> {
  static void run(const output& p, half_rows& s) {
    for (int i = thread_index(); i < 33 * 8; i += 32) s.x[i].bits = 1;
    sync_block();
    const matrices m = ldmatrix_x4(s.x + 8 * thread_index() + (Wrong ? 1 : 0));
    store16(p.y + 4 * thread_index(), {{m.word[0], m.word[1], m.word[2], m.word[3]}});
  }
};

}  // namespace

TEST_CASE("a read of uninitialised memory is found") {
  check_planted<uninitialised_shared>(checked, "uninitialised: read of 4 bytes of shared memory",
                                      [] { return new_output(32); });
  check_planted<uninitialised_global>(checked, "uninitialised: read of 4 bytes of global memory",
                                      [] { return new_in_and_out(33, 32, 32); });
}

TEST_CASE("an access out of bounds is found") {
  check_planted<past_shared>(checked, "out of bounds: read of 4 bytes of shared memory", [] { return new_output(32); });
  check_planted<past_global_read>(checked, "out of bounds: read of 4 bytes of global memory",
                                  [] { return new_in_and_out(32, 32, 32); });
  check_planted<past_global_write>(checked, "out of bounds: write of 4 bytes of global memory",
                                   [] { return new_output(32); });
  check_planted<past_vector_load>(checked, "out of bounds: read of 16 bytes of global memory",
                                  [] { return new_in_and_out(128, 128, 128); });
}

TEST_CASE("a use of freed memory is found") {
  check_planted<freed>(checked, "use of freed memory: read of 4 bytes", [] {
    device_array<float> x(std::vector<float>(32)), gone(std::vector<float>(32)), y(32);
    gone.release();
    const maybe_freed p{x.data(), gone.data(), y.data()};
    return std::pair(std::tuple(std::move(x), std::move(y)), p);
  });
}

TEST_CASE("a pointer of the host is found") {
  static std::vector<float> of_host(32);
  check_planted<of_the_host>(checked, "memory that is not the device's", [] {
    device_array<float> x(of_host), y(32);
    const two_sources p{x.data(), of_host.data(), y.data()};
    return std::pair(std::pair(std::move(x), std::move(y)), p);
  });
}

TEST_CASE("a misaligned access is found") {
  check_planted<misaligned_load>(finder::any_program, "misaligned load of 16 bytes",
                                 [] { return new_in_and_out(132, 128, 132); });
  check_planted<misaligned_shared>(checked, "misaligned: ", [] { return new_output(128); });
  check_planted<misaligned_matrix>(finder::any_program, "misaligned row of ldmatrix", [] { return new_output(128); });
}

}  // namespace cuda_test
