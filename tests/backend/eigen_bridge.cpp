// SPDX-License-Identifier: Apache-2.0
#include <llava/backend/eigen.hpp>
#include <llava_catch.hpp>
#include <vector>

using namespace llava;

namespace {
template <int Rows, int Columns>
using rows_major = Eigen::Matrix<float, Rows, Columns, Eigen::RowMajor>;

/// 0, 1, 2, …
std::vector<float> counted(std::size_t n) {
  std::vector<float> v(n);
  for (std::size_t i = 0; i < n; ++i) v[i] = static_cast<float>(i);
  return v;
}
}  // namespace

static_assert(check_backend<eigen, weights<f32>>() && check_backend<eigen, weights<f16>>(),
              "llava: the eigen backend has every op");
static_assert(!is_batch_deterministic<eigen> && is_batch_deterministic<scalar>,
              "llava: a backend is batch-deterministic unless it says that it is not");

TEST_CASE("as_map maps a view's memory with the view's row stride", "[eigen]") {
  std::vector<float> values = counted(24);
  const matrix_view<float> whole(values.data(), dynamic_shape<2>(4, 6));
  const matrix_view<float> slice(values.data() + 2, dynamic_shape<2>(4, 3), 6);  // columns 2 … 4
  auto all = as_map(whole);
  auto some = as_map(slice);
  REQUIRE((all.rows() == 4 && all.cols() == 6 && some.rows() == 4 && some.cols() == 3));
  CHECK(all.data() == values.data());
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 3; ++j) CHECK(some(i, j) == slice(i, j));
  some(3, 2) = -1.f;
  CHECK(values[3 * 6 + 4] == -1.f);
  some.row(1).setZero();
  CHECK((values[6 + 1] == 7.f && values[6 + 2] == 0.f && values[6 + 4] == 0.f && values[6 + 5] == 11.f));

  using of_const = decltype(as_map(matrix_view<const float>(whole)));
  static_assert((of_const::Flags & Eigen::LvalueBit) == 0, "llava: const elements stay const");
}

TEST_CASE("as_map maps vectors and 16-bit elements", "[eigen]") {
  std::vector<float> values = counted(5);
  auto v = as_map(vector_view<float>(values.data(), dynamic_shape<1>(5)));
  static_assert(decltype(v)::ColsAtCompileTime == 1, "llava: a vector is a column");
  CHECK(v.sum() == 10.f);
  const auto* three = values.data();
  CHECK(as_map(view<const float, shape<3>>(three, shape<3>())).squaredNorm() == 5.f);

  const f16 halves[] = {from_float<f16>(1.5f), from_float<f16>(-2.f)};
  CHECK(as_map(vector_view<const f16>(halves, dynamic_shape<1>(2))).cast<float>().sum() == -0.5f);
  const bf16 others[] = {from_float<bf16>(3.f), from_float<bf16>(0.25f)};
  CHECK(as_map(vector_view<const bf16>(others, dynamic_shape<1>(2))).cast<float>().prod() == 0.75f);
}

TEST_CASE("as_map and as_view keep static extents", "[eigen]") {
  std::vector<float> values = counted(12);
  const view<float, shape<3, dyn>> x(values.data(), shape<3, dyn>(4));
  using map = decltype(as_map(x));
  static_assert(map::RowsAtCompileTime == 3 && map::ColsAtCompileTime == Eigen::Dynamic, "llava: as_map keeps extents");
  using back = decltype(as_view(as_map(x)));
  static_assert(std::is_same_v<back, view<float, shape<3, dyn>>>, "llava: as_view of as_map has the same type");
  const auto again = as_view(as_map(x));
  CHECK((again.data() == x.data() && again.extents().agrees(x.extents()) && again.stride() == x.stride()));

  const view<float, shape<12, 1>> column(values.data(), shape<12, 1>());
  CHECK(as_map(column)(7, 0) == 7.f);
  const view<float, shape<6, 1>> every_second(values.data(), shape<6, 1>(), 2);
  CHECK(as_map(every_second)(3, 0) == 6.f);
}

TEST_CASE("as_view views an Eigen object's memory", "[eigen]") {
  rows_major<Eigen::Dynamic, Eigen::Dynamic> m(3, 5);
  for (int i = 0; i < 15; ++i) m.data()[i] = static_cast<float>(i);
  const auto whole = as_view(m);
  static_assert(std::is_same_v<std::remove_const_t<decltype(whole)>, matrix_view<float>>,
                "llava: ops take it without conversion");
  CHECK((whole.data() == m.data() && whole.contiguous()));
  whole(1, 2) = 100.f;
  CHECK(m(1, 2) == 100.f);

  const auto block = as_view(m.block(1, 1, 2, 3));
  CHECK((block.extent(0) == 2 && block.extent(1) == 3 && block.stride() == 5 && !block.contiguous()));
  CHECK((block(0, 1) == 100.f && block(1, 2) == m(2, 3)));
  CHECK(as_view(m.row(2))(4) == 14.f);  // a vector

  const auto& constant = m;
  static_assert(std::is_same_v<decltype(as_view(constant))::value_type, float> &&
                    std::is_const_v<std::remove_pointer_t<decltype(as_view(constant).data())>>,
                "llava: const elements stay const");
  rows_major<2, 3> fixed = rows_major<2, 3>::Constant(1.f);
  static_assert(std::is_same_v<decltype(as_view(fixed)), view<float, shape<2, 3>>>, "llava: as_view keeps extents");
  Eigen::Vector4f v(1.f, 2.f, 3.f, 4.f);
  static_assert(std::is_same_v<decltype(as_view(v)), view<float, shape<4>>>, "llava: a vector has one axis");
  CHECK(as_view(v)(3) == 4.f);
  Eigen::Matrix<Eigen::half, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> half(2, 2);
  half << Eigen::half(1.f), Eigen::half(2.f), Eigen::half(3.f), Eigen::half(4.f);
  CHECK(to_float(as_view(half)(1, 0)) == 3.f);
}

TEST_CASE("an op runs on Eigen's own matrices", "[eigen]") {
  rows_major<Eigen::Dynamic, Eigen::Dynamic> x(3, 70), w(40, 70), y(3, 40);
  x.setRandom();
  w.setRandom();
  Eigen::VectorXf bias(40);
  bias.setRandom();
  thread_pool threads(2);
  const buffer memory = *host_memory().try_allocate(std::size_t{1} << 20, "test");
  const auto check = [&]<class B>(B) {
    y.setZero();
    typename B::queue q(B(), threads, arena(memory.data(), memory.size()));
    matmul(q, matrix_view<float>(as_view(y)), matrix_view<const float>(as_view(x)),
           matrix_view<const float>(as_view(w)), epilogue<>{vector_view<const float>(as_view(bias))});
    const auto expected = ((x * w.transpose()).rowwise() + bias.transpose()).eval();
    CHECK((y - expected).norm() < 1e-5f * expected.norm());
  };
  check(eigen{});
  check(scalar{});
}
