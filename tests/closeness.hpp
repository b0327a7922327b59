// SPDX-License-Identifier: Apache-2.0
/// Measures of how close computed values are to expected ones.
#pragma once
#include <llava_catch.hpp>

#include <algorithm>
#include <cmath>
#include <llava/base/dtype.hpp>
#include <vector>

inline double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = a[i], y = b[i];
    ab += x * y, aa += x * x, bb += y * y;
  }
  return ab / std::sqrt(aa * bb);
}

/// The largest absolute difference, divided by the largest absolute expected value.
inline double largest_error(const std::vector<float>& found, const std::vector<float>& expected) {
  REQUIRE(found.size() == expected.size());
  double error = 0, most = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    error = std::max(error, std::fabs(static_cast<double>(found[i]) - static_cast<double>(expected[i])));
    most = std::max(most, std::fabs(static_cast<double>(expected[i])));
  }
  return error / most;
}

/// Normalised mean squared error: Σ (x − reference)² / Σ reference²
template <class T>
double nmse(const std::vector<T>& x, const std::vector<double>& reference) {
  REQUIRE(x.size() == reference.size());
  double error = 0, power = 1e-30;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double difference = static_cast<double>(llava::to_float(x[i])) - reference[i];
    error += difference * difference;
    power += reference[i] * reference[i];
  }
  return error / power;
}
