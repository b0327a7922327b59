// SPDX-License-Identifier: Apache-2.0
/// shape<576, dyn>: extents, each known at compile time or set at run time. Known extents take no space, and an Eigen
/// map of such a view has them as compile-time sizes (backend/eigen/bridge.hpp). All tensors are row-major: the last
/// axis is contiguous.
#pragma once
#include <array>
#include <cstddef>
#include <type_traits>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// Marks an extent that is known only at run time.
inline constexpr std::ptrdiff_t dyn = -1;

/// Extents, each known at compile time or `dyn`.
template <std::ptrdiff_t... Extents>
class shape {
  static constexpr std::size_t unknown = (std::size_t{0} + ... + (Extents == dyn ? 1 : 0));

 public:
  static constexpr int rank = sizeof...(Extents);
  static constexpr std::array<std::ptrdiff_t, sizeof...(Extents)> known{Extents...};

  constexpr shape() = default;

  /// The run-time extents, in order.
  template <class... I>
  requires(sizeof...(I) == unknown && sizeof...(I) > 0) constexpr explicit shape(I... extents)
      : extents_{static_cast<std::ptrdiff_t>(extents)...} {}

  /// From a shape of the same rank; known extents must agree, which the caller checks with `agrees`.
  template <std::ptrdiff_t... Other>
  requires(sizeof...(Other) == sizeof...(Extents)) constexpr explicit shape(const shape<Other...>& other) {
    if constexpr (unknown > 0) {
      std::size_t next = 0;
      for (int axis = 0; axis < rank; ++axis)
        if (known[static_cast<std::size_t>(axis)] == dyn) extents_[next++] = other[axis];
    }
  }

  constexpr std::ptrdiff_t operator[](int axis) const {
    const auto a = static_cast<std::size_t>(axis);
    if constexpr (unknown > 0) {
      std::size_t slot = 0;
      for (std::size_t i = 0; i < a; ++i)
        if (known[i] == dyn) ++slot;
      if (known[a] == dyn) return extents_[slot];
    }
    return known[a];
  }

  constexpr std::ptrdiff_t size() const {
    std::ptrdiff_t n = 1;
    for (int axis = 0; axis < rank; ++axis) n *= (*this)[axis];
    return n;
  }

  /// Whether ranks and extents are equal, known or `dyn`.
  template <std::ptrdiff_t... Other>
  constexpr bool agrees(const shape<Other...>& other) const {
    if constexpr (sizeof...(Other) != sizeof...(Extents)) {
      return false;
    } else {
      for (int axis = 0; axis < rank; ++axis)
        if ((*this)[axis] != other[axis]) return false;
      return true;
    }
  }

 private:
  struct nothing {};
  [[no_unique_address]] std::conditional_t<unknown == 0, nothing, std::array<std::ptrdiff_t, unknown>> extents_{};
};

namespace detail {
template <int Rank, std::ptrdiff_t... E>
struct all_dynamic : all_dynamic<Rank - 1, dyn, E...> {};
template <std::ptrdiff_t... E>
struct all_dynamic<0, E...> {
  using type = shape<E...>;
};
}  // namespace detail

/// A shape of this rank with all extents `dyn`.
template <int Rank>
using dynamic_shape = typename detail::all_dynamic<Rank>::type;

LLAVA_END
