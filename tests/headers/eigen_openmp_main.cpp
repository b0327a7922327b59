// SPDX-License-Identifier: Apache-2.0
// A program that is compiled with OpenMP: a product of the eigen backend runs on the library's threads alone, and
// OpenMP has as many threads afterwards as before.
#include <llava/backend/eigen.hpp>

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

namespace {
int threads_of_this_program() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("Threads:")) return std::stoi(line.substr(8));
  return 0;  // no such file: nothing is checked
}
}  // namespace

int main() {
  constexpr std::ptrdiff_t rows = 64, columns = 1024, inner = 1024;  // enough for Eigen to want threads
  omp_set_num_threads(4);
  llava::thread_pool threads(2);
  const std::vector<float> x(rows * inner, 1.f), w(columns * inner, 1.f);
  std::vector<float> y(rows * columns);
  std::vector<std::byte> memory(1 << 20);
  llava::eigen::queue q(llava::eigen{}, threads, llava::arena(memory.data(), memory.size()));
  using extents = llava::dynamic_shape<2>;
  matmul(q, llava::matrix_view<float>(y.data(), extents(rows, columns)),
         llava::matrix_view<const float>(x.data(), extents(rows, inner)),
         llava::matrix_view<const float>(w.data(), extents(columns, inner)), llava::epilogue<>{});
  if (!q.finish() || y.front() != 1024.f || y.back() != 1024.f) return std::puts("wrong product"), 1;
  if (threads_of_this_program() > 2) return std::puts("Eigen has started threads"), 1;
  if (omp_get_max_threads() != 4) return std::puts("OpenMP's number of threads has changed"), 1;
}
