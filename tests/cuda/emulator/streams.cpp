// SPDX-License-Identifier: Apache-2.0
// Streams, events and graphs of the emulator.
#include <llava_cuda_host.hpp>

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <utility>
#include <vector>

#include "shadow.hpp"
#include "streams.hpp"

namespace llava::cuda_host {

using work = std::function<std::string()>;

struct graph_state {
  std::deque<work> all;
};
struct stream_state {
  std::deque<work> waiting;
  std::size_t done = 0;  // works that have left `waiting`
  graph_state* recording = nullptr;
};
struct event_state {
  native_stream in = nullptr;
  std::size_t end = 0;  // works of the stream before it
};

namespace {
[[noreturn]] void refuse(const char* what) {
  std::fprintf(stderr, "emulator: %s\n", what);
  std::abort();
}
/// Does the works of a stream up to number `end`. Behind a mistake it does none.
std::string run(native_stream s, std::size_t end) {
  if (s->recording) refuse("a stream was waited for while it was recorded");
  while (s->done < end && !s->waiting.empty()) {
    const work w = std::move(s->waiting.front());
    s->waiting.pop_front();
    ++s->done;
    if (std::string found = w(); !found.empty()) {
      s->done += s->waiting.size();
      s->waiting.clear();
      return found;
    }
  }
  return {};
}
}  // namespace

}  // namespace llava::cuda_host

namespace llava::emulator {
std::string tell(cuda_host::native_stream s, std::function<std::string()> work) {
  if (!s) return work();
  (s->recording ? s->recording->all : s->waiting).push_back(std::move(work));
  return {};
}
}  // namespace llava::emulator

namespace llava::cuda_host {

using emulator::tell;

native_stream make_stream() { return new stream_state; }
void destroy_stream(native_stream s) {
  if (!s->waiting.empty()) refuse("a stream was destroyed before its work was done");
  delete s;
}

std::string launch(native_stream s, const launch_options& options, void (*run)(const void*), const void* params) {
  const auto* const bytes = static_cast<const std::byte*>(params);
  return tell(s, [options, run, kept = std::vector<std::byte>(bytes, bytes + options.params_bytes)] {
    return launch_now(options, run, kept.data());
  });
}
std::string copy(native_stream s, void* to, const void* from, std::size_t bytes, bool to_host, bool from_host) {
  return tell(s, [=] { return copy_now(to, from, bytes, to_host, from_host); });
}
std::string fill(native_stream s, void* to, unsigned char value, std::size_t bytes) {
  return tell(s, [=] { return fill_now(to, value, bytes); });
}
std::string finish(native_stream s) { return s ? run(s, s->done + s->waiting.size()) : std::string(); }

native_event make_event() { return new event_state; }
void destroy_event(native_event e) { delete e; }
void record(native_event e, native_stream s) {
  if (s && s->recording) refuse("an event was recorded in a graph");
  *e = {s, s ? s->done + s->waiting.size() : 0};
}
std::string wait(native_event e) { return e->in ? run(e->in, e->end) : std::string(); }

void begin_recording(native_stream s) {
  if (s->recording) refuse("a stream was recorded twice");
  s->recording = new graph_state;
}
native_graph end_recording(native_stream s) { return std::exchange(s->recording, nullptr); }
void repeat(native_stream s, native_graph g) {
  for (const work& w : g->all) tell(s, w);
}
void destroy_graph(native_graph g) { delete g; }

int count_devices() { return std::getenv("LLAVA_TEST_NO_DEVICE") ? 0 : 1; }
void* allocate_pinned(std::size_t bytes) {
  void* const p = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  if (p) emulator::shadow::share(p, bytes);
  return p;
}
void release_pinned(void* p) {
  emulator::shadow::unshare(p);
  std::free(p);
}

}  // namespace llava::cuda_host
