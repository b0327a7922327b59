// SPDX-License-Identifier: Apache-2.0
// What a weight format costs: the same product in every coded format, in turn with a plain read of as much memory. The
// time of a case is the median of its turns. Counters:
//   x_q4_0       the time as a multiple of q4_0's
//   roof%        the time of reading the packed weights at the speed of the plain reads, as a share of the time
//   ps/byte      the time per byte of packed weights
//   read_ps/byte that of the plain reads, the floor
#include <llava/nn/tensor_weight.hpp>
#include <llava/quant/nf4.hpp>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "../backends.hpp"
#include "../formats.hpp"
#include "../memory.hpp"

namespace {

/// The name of a format; q8_0_a16 and q4_0_a16 have the bytes, and the name, of q8_0 and q4_0.
template <class F>
std::string name_of() {
  return std::string(F::name) +
         (std::is_same_v<F, llava::q8_0_a16> || std::is_same_v<F, llava::q4_0_a16> ? "_a16" : "");
}

using coded_formats =
    bench::list<llava::q4_0, llava::q4_i8, llava::q8_0_a16, llava::nf4, llava::q4_0_a16, llava::q4_1, llava::q5_0,
                llava::q5_1, llava::q2_k, llava::q3_k, llava::q4_k, llava::q5_k, llava::q6_k>;
constexpr std::ptrdiff_t columns = 4096, inner = 4096;
constexpr int turns = 15;

/// One format: copies of a packed matrix in a part of the pool. The plain read has the name "".
struct subject {
  std::string name;
  std::size_t bytes = 0, copies = 0;
  std::function<void(std::size_t)> run{};  // with copy i
  std::vector<double> seconds{};           // of one run, in each turn

  double median() const {
    std::vector<double> sorted = seconds;
    std::sort(sorted.begin(), sorted.end());
    return sorted[sorted.size() / 2];
  }
};

/// All formats with some rows of x on backend B.
template <class B>
class comparison {
 public:
  explicit comparison(std::ptrdiff_t rows) : x_(rows, inner), y_(rows, columns) {
    std::size_t count = 1;
    coded_formats::each([&]<class F>() { ++count; });
    const std::size_t share = std::max(bench::pool_bytes() / count, std::size_t{48} << 20) / 4096 * 4096;
    memory_ = *llava::host_memory().try_allocate(share * count, "bench");
    bench::fill_random(std::span(reinterpret_cast<float*>(memory_.data()), share / sizeof(float)));
    add_read(memory_.data(), share);
    coded_formats::each([&]<class F>() { add<F>(memory_.data() + share * subjects.size(), share); });
    for (int turn = 0; turn < turns; ++turn)
      for (subject& s : subjects) {
        const auto start = std::chrono::steady_clock::now();
        for (std::size_t i = 0; i < s.copies; ++i) s.run(i);
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
        s.seconds.push_back(took.count() / static_cast<double>(s.copies));
      }
  }
  comparison(const comparison&) = delete;

  std::vector<subject> subjects{};
  std::string wrong{};  // the formats whose results are

 private:
  void add_read(const std::byte* from, std::size_t share) {
    const auto read = [this, from, share](std::size_t) {
      const bench::roof_isa isa = bench::roof_isas().front();
      d_.queue.submit([&](llava::workers on) {
        on.split(static_cast<std::ptrdiff_t>(share) / 4096, on.concurrency(),
                 [&](std::ptrdiff_t first, std::ptrdiff_t last) {
                   bench::detail::needed +=
                       isa.kernels->read(reinterpret_cast<const char*>(from) + first * 4096, (last - first) * 4096);
                 });
      });
    };
    subjects.push_back({"", share, 1, read});
  }
  template <class F>
  void add(std::byte* to, std::size_t share) {
    if constexpr (llava::affine_format<F>)
      fill<F>(bench::random_affine_rows<F>(columns, inner), to, share);
    else
      fill<F>(bench::random_rows(inner), to, share);
  }
  template <class F>
  void fill(const llava::row_source& from, std::byte* to, std::size_t share) {
    llava::weight<B, F> one;
    llava::thread_pool threads;
    if (!one.try_fill(from, {columns, inner}, "bench", llava::host_memory(), &threads)) std::abort();
    const std::size_t bytes = one.packed().size();
    for (std::size_t i = 0; i < share / bytes; ++i) std::memcpy(to + i * bytes, one.packed().data(), bytes);
    const auto product = [this, to, bytes](std::size_t i) {
      using layout = typename B::template layout<F>;
      matmul(d_.queue, y_.matrix(), llava::matrix_view<const float>(x_),
             layout::make_view(to + i * bytes, columns, inner), llava::epilogue<>{});
      d_.finish();
    };
    product(0);
    if (!(error_of<F>(from) < 1e-9)) wrong += " " + name_of<F>();
    subjects.push_back({name_of<F>(), bytes, share / bytes, product});
  }
  /// The NMSE of the first rows of y against the scalar backend.
  template <class F>
  double error_of(const llava::row_source& from) {
    bench::device<llava::scalar> d;
    llava::weight<llava::scalar, F> w;
    if (!w.try_fill(from, {columns, inner}, "bench", llava::host_memory(), &d.threads)) std::abort();
    const bench::array<> y(std::min<std::ptrdiff_t>(x_.matrix().extent(0), 2), columns);
    matmul(d.queue, y.matrix(), llava::matrix_view<const float>(rows_of(x_.matrix(), 0, y.matrix().extent(0))),
           w.view(), llava::epilogue<>{});
    d.finish();
    bench::nmse error;
    for (std::size_t i = 0; i < y.values().size(); ++i)
      error.add(static_cast<double>(y_.values()[i]), static_cast<double>(y.values()[i]));
    return error.value();
  }

  bench::device<B> d_;
  bench::array<> x_, y_;
  llava::buffer memory_;
};

/// What a comparison has found.
struct findings {
  std::map<std::string, std::pair<std::size_t, double>> times;  // bytes and seconds
  std::string wrong;
};
template <class B>
const findings& found(std::ptrdiff_t rows) {
  static std::map<std::ptrdiff_t, findings> all;
  if (!all.contains(rows)) {
    const comparison<B> now(rows);
    for (const subject& s : now.subjects) all[rows].times[s.name] = {s.bytes, s.median()};
    all[rows].wrong = now.wrong;
  }
  return all[rows];
}

template <class F>
struct format_case {
  static constexpr bool is_timed = true;
  std::ptrdiff_t rows;

  std::string name() const { return "formats/T" + std::to_string(rows) + "/" + name_of<F>(); }
  template <class B>
  void run(benchmark::State& state) const {
    const findings& all = found<B>(rows);
    if (!all.wrong.empty()) return bench::give_up(state, ("wrong results:" + all.wrong).c_str());
    const auto [bytes, seconds] = all.times.at(name_of<F>());
    const auto [read_bytes, read_seconds] = all.times.at("");
    const double floor = read_seconds / static_cast<double>(read_bytes), each = seconds / static_cast<double>(bytes);
    for (auto _ : state) state.SetIterationTime(seconds);
    if (all.times.contains("q4_0")) state.counters["x_q4_0"] = seconds / all.times.at("q4_0").second;
    state.counters["roof%"] = 100 * floor / each;
    state.counters["ps/byte"] = 1e12 * each;
    state.counters["read_ps/byte"] = 1e12 * floor;
  }
};

const bench::file formats([] {
  bench::for_each_backend([]<class B>() {
    if constexpr (!std::is_same_v<B, llava::scalar>)
      for (const std::ptrdiff_t rows : {1, 4, 16, 64})
        if (bench::can_afford<B>(2. * static_cast<double>(rows * columns * inner)))
          coded_formats::each([&]<class F>() { bench::add<B>(format_case<F>{rows}); });
  });
});

}  // namespace
