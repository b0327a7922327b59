// SPDX-License-Identifier: Apache-2.0
/// The harness of all benchmarks: a case (an op or a stage, of one size) is run with several subjects (backends,
/// pipelines). A case is a struct with
///   name()                             "matmul/f16/N4096xK11008/T640"
///   affordable<Subject>()              false if the subject is too slow for this size (optional)
///   is_timed                           the case sets the time of its one iteration itself (optional)
///   run<Subject>(benchmark::State&)    verifies the subject's result, then times it
/// One line benchmarks it, and any others behind it:
///   return bench::compare<llava::simd, mine>(argc, argv, bench::matmul_case<llava::f16>{640, 4096, 4096});
/// ops/*.hpp and pipeline/stages.hpp have the cases of the library's own benchmarks.
///
/// Counters: FLOP/s, bytes/s, and roof%: the least time of the work on this machine as a share of the time it took. The
/// least time is the FLOPs at the measured peak or the bytes at the measured bandwidth, whichever is longer; the label
/// says which. If it is bandwidth, roof_bytes/s is the better of the bandwidths measured just before and just after the
/// work: on a shared machine, bandwidth varies by half within seconds, and compute speed does not. roof% may exceed 100
/// where everything fits in a cache (small norms, additions).
#pragma once
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <llava/base/executor.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "roofs.hpp"

namespace bench {

/// Settings from the command line.
struct settings {
  int threads = llava::thread_pool::usable_processors();
  std::string model;    // a folder; if empty, random models are written
  std::string formats;  // "f16,q8_0"; if empty, all
  double step = 0.04;   // seconds of a decode step, for shares of it
  int layers = 8;       // of the language model in random checkpoints; LLaVA-1.5-7B has 32
};
inline settings& chosen() {
  static settings s;
  return s;
}

/// The roofs of this machine, measured on the first call, at the start. The memory bandwidth is the latest measurement.
inline roofs& machine() {
  static roofs r = probe_roofs(chosen().threads);
  return r;
}

/// Measures the memory bandwidth before and after a piece of work. After both(), floors use the better of the two.
class memory_roof {
 public:
  void both() { machine().read_bytes = std::max(before_, probe()); }

 private:
  static double probe() { return probe_read_bytes(machine().threads, roof_isas().front()); }
  double before_ = probe();
};

/// The type of the multiplied elements, which selects the peak.
enum class arithmetic { f32, int8, int16 };

/// The work of one iteration. Bytes are those that must be transferred from or to memory at least once.
struct work {
  double flops = 0, bytes = 0;
  arithmetic kind = arithmetic::f32;

  double peak() const {
    const double peaks[] = {machine().fma_flops, machine().int8_ops, machine().int16_ops};
    return peaks[static_cast<int>(kind)];
  }
  const char* limit() const {
    constexpr const char* names[] = {"f32", "int8", "int16"};
    return is_memory_bound() ? "memory" : names[static_cast<int>(kind)];
  }
  /// The least time of the work, in seconds.
  double floor() const { return std::max(flops / peak(), bytes / machine().read_bytes); }
  bool is_memory_bound() const { return flops / peak() < bytes / machine().read_bytes; }
};

/// Sets the counters of a finished benchmark whose iterations took `seconds` in total.
inline void count(benchmark::State& state, const work& w, double seconds) {
  using benchmark::Counter;
  const auto rate = [&](double each) { return Counter(each, Counter::kIsIterationInvariantRate); };
  if (w.flops > 0) state.counters["FLOP/s"] = rate(w.flops);
  if (w.bytes > 0) state.counters["bytes/s"] = rate(w.bytes);
  state.counters["roof%"] = 100 * w.floor() * static_cast<double>(state.iterations()) / seconds;
  if (w.is_memory_bound()) state.counters["roof_bytes/s"] = machine().read_bytes;
  state.SetLabel(w.limit());
}

namespace detail {
/// Whether a benchmark of this program failed.
inline bool& gave_up() {
  static bool any = false;
  return any;
}
}  // namespace detail

/// Ends a benchmark with an error message. The others still run, and the program exits with code 1.
inline void give_up(benchmark::State& state, const char* sentence) {
  detail::gave_up() = true;
  state.SkipWithError(sentence);
}

/// Ends a benchmark with an error message and returns false if `error` (an NMSE) is above `most` or not a number.
inline bool is_right(benchmark::State& state, double error, double most) {
  if (error <= most) return true;
  char sentence[160];
  std::snprintf(sentence, sizeof sentence, "wrong result: NMSE %.3g against the reference, allowed %.3g", error, most);
  give_up(state, sentence);
  return false;
}

/// Times body(i), i = 0, 1, …. The result must have been verified before.
template <class Body>
void time(benchmark::State& state, const work& w, Body&& body) {
  std::size_t i = 0;
  std::optional<memory_roof> roof;
  if (w.is_memory_bound()) roof.emplace();
  const auto start = std::chrono::steady_clock::now();
  for (auto _ : state) {
    static_cast<void>(body(i++));
    benchmark::ClobberMemory();
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  if (roof) roof->both();
  count(state, w, took.count());
}

namespace detail {
/// Functions that register the benchmarks of each source file. main() calls them after it has read the command line.
inline std::vector<std::function<void()>>& registrations() {
  static std::vector<std::function<void()>> all;
  return all;
}
}  // namespace detail

/// The benchmarks of one source file: `const bench::file norms([] { … });`
struct file {
  explicit file(std::function<void()> add) { detail::registrations().push_back(std::move(add)); }
};

/// Registers one case for one subject.
template <class Subject, class Case>
void add_one(const Case& c) {
  if constexpr (requires { c.template affordable<Subject>(); })
    if (!c.template affordable<Subject>()) return;
  const std::string name = std::string(c.name()) + "/" + std::string(Subject::name);
  auto* made =
      benchmark::RegisterBenchmark(name.c_str(), [c](benchmark::State& state) { c.template run<Subject>(state); });
  made->Unit(benchmark::kMicrosecond);
  if constexpr (requires { Case::is_timed; })
    made->UseManualTime()->Iterations(1);
  else
    made->UseRealTime()->MeasureProcessCPUTime();
}
template <class... Subjects, class Case>
void add(const Case& c) {
  (add_one<Subjects>(c), ...);
}

/// "--name=value" -> value. Removes the argument from argv.
inline bool take_option(int& argc, char** argv, std::string_view name, std::string& value) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view a = argv[i];
    if (!a.starts_with(name) || a.size() <= name.size() || a[name.size()] != '=') continue;
    value = a.substr(name.size() + 1);
    std::rotate(argv + i, argv + i + 1, argv + argc);
    --argc;
    return true;
  }
  return false;
}

/// Reads the command line, measures the roofs, runs the registered benchmarks. Options besides Google Benchmark's:
///   --threads=N   --model=FOLDER   --formats=f16,q8_0   --layers=8   --step=40 (milliseconds)
inline int main(int argc, char** argv) {
  std::string threads, layers, step;
  if (take_option(argc, argv, "--step", step)) chosen().step = std::max(1e-3, std::atof(step.c_str())) / 1000;
  if (take_option(argc, argv, "--threads", threads)) chosen().threads = std::max(1, std::atoi(threads.c_str()));
  take_option(argc, argv, "--model", chosen().model);
  take_option(argc, argv, "--formats", chosen().formats);
  if (take_option(argc, argv, "--layers", layers)) chosen().layers = std::clamp(std::atoi(layers.c_str()), 1, 32);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  const roofs& r = machine();
  const auto note = [](const char* key, double value, double unit) {
    benchmark::AddCustomContext(key, std::to_string(value / unit));
  };
  benchmark::AddCustomContext("roof_isa", std::string(r.isa));
  benchmark::AddCustomContext("roof_threads", std::to_string(r.threads));
  note("roof_read_GB/s", r.read_bytes, 1e9);
  note("roof_f32_GFLOP/s", r.fma_flops, 1e9);
  note("roof_int8_GOP/s", r.int8_ops, 1e9);
  note("roof_int16_GOP/s", r.int16_ops, 1e9);
  benchmark::AddCustomContext("compiler", __VERSION__);
  for (const auto& register_all : detail::registrations()) register_all();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return detail::gave_up() ? 1 : 0;
}

/// The main() of a program with these cases, as at the top of this file.
template <class... Subjects, class... Cases>
int compare(int argc, char** argv, const Cases&... cases) {
  const file all([cases...] { (add<Subjects...>(cases), ...); });
  return main(argc, argv);
}

}  // namespace bench
