// SPDX-License-Identifier: Apache-2.0
/// rope and store_kv as a case: they rotate queries and keys in place, and write keys and values to the KV cache.
#pragma once
#include "../backends.hpp"
#include "paged.hpp"

namespace bench {

template <class T>
struct rope_case {
  int tokens, heads, kv_heads, dim;

  std::string name() const {
    return "rope_store_kv/" + std::string(llava::name_of(llava::dtype_of<T>)) + "/T" + std::to_string(tokens) + "/H" +
           std::to_string(heads) + "of" + std::to_string(kv_heads) + "xd" + std::to_string(dim);
  }
  double bytes() const { return tokens * dim * (8. * heads + kv_heads * 2. * (4 + sizeof(T)) + 4.); }
  template <class B>
  void run(benchmark::State& state) const {
    device<B> d;
    const paged_sequence<T> sequence(tokens, std::max(tokens, 640), kv_heads, dim);
    const array<> q(tokens, heads * dim), k(tokens, kv_heads * dim), v(tokens, kv_heads * dim), angles(tokens, dim);
    for (int t = 0; t < tokens; ++t)
      for (int i = 0; i < dim / 2; ++i) {
        const double a = t * std::pow(10000., -2. * i / dim);
        angles.matrix()(t, i) = static_cast<float>(std::cos(a));
        angles.matrix()(t, i + dim / 2) = static_cast<float>(std::sin(a));
      }
    const array<> turned(tokens, kv_heads * dim);
    const auto op = [&](std::size_t i) {
      rope(d.queue, q.matrix(), llava::matrix_view<const float>(angles));
      rope(d.queue, turned.matrix(), llava::matrix_view<const float>(angles));
      store_kv(d.queue, llava::matrix_view<const float>(turned), llava::matrix_view<const float>(v), sequence.rows(),
               sequence.layer(i));
      d.finish();
    };
    std::copy_n(k.values().data(), k.values().size(), turned.values().data());
    op(0);
    nmse error;
    for (std::ptrdiff_t t : spread_indices(tokens, 5))
      for (std::ptrdiff_t h : spread_indices(kv_heads, 3))
        for (std::ptrdiff_t i = 0; i < dim; ++i) {
          const std::ptrdiff_t pair = i < dim / 2 ? i + dim / 2 : i - dim / 2, at = i % (dim / 2);
          const double cosine = static_cast<double>(angles.matrix()(t, at)),
                       sine = static_cast<double>(angles.matrix()(t, at + dim / 2)) * (i < dim / 2 ? -1 : 1);
          const std::ptrdiff_t position = std::max(tokens, 640) - tokens + t;
          error.add(sequence.key(sequence.layer(0), position, h, i),
                    static_cast<double>(k.matrix()(t, h * dim + i)) * cosine +
                        static_cast<double>(k.matrix()(t, h * dim + pair)) * sine);
          error.add(sequence.value(sequence.layer(0), position, h, i), static_cast<double>(v.matrix()(t, h * dim + i)));
        }
    constexpr double tolerance = sizeof(T) == 4 ? 1e-12 : std::is_same_v<T, llava::bf16> ? 1e-5 : 1e-6;
    if (!is_right(state, error.value(), tolerance)) return;
    time(state, {0., bytes()}, op);
  }
};

}  // namespace bench
