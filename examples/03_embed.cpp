// SPDX-License-Identifier: Apache-2.0
// Embeds the library in a program: pixels in memory, no exceptions, the program's own threads, a time limit.
//   03_embed MODEL
#include <llava.hpp>

#include <chrono>
#include <cstdio>
#include <thread>

// The program's thread pool: it only has to run independent pieces.
struct host_pool final : llava::executor {
  int concurrency() const override { return 2; }
  void parallel_for(int pieces, llava::function_ref<void(int)> piece) override {
    std::jthread other([&] {
      for (int i = 1; i < pieces; i += 2) piece(i);
    });
    for (int i = 0; i < pieces; i += 2) piece(i);
  }
};

int main(int argc, char** argv) {
  if (argc != 2) return std::fputs("usage: 03_embed MODEL\n", stderr), 2;
  llava::open_options options;
  options.threads_of_host = std::make_shared<host_pool>();
  options.memory_budget = std::uint64_t{2} << 30;
  auto model = llava::try_open<llava::any, llava::simd, llava::f16>(argv[1], options);
  if (!model) return std::fprintf(stderr, "%s\n", model.error().what()), 1;

  std::vector<std::uint8_t> red(96 * 64 * 3);
  for (std::size_t i = 0; i < red.size(); i += 3) red[i] = 220;
  const auto img = llava::try_image_from_rgb(96, 64, std::as_bytes(std::span(red)));
  if (!img) return 1;

  std::stop_source stop;
  std::jthread timer([&](std::stop_token done) {
    for (int i = 0; i < 100 && !done.stop_requested(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(100));
    stop.request_stop();  // cancels the question after ten seconds
  });
  auto chat = model->session();
  chat.hooks.stop = stop.get_token();
  const auto answer = chat.try_ask(*img, "What color is the background?");
  if (!answer) return std::fprintf(stderr, "%s\n", answer.error().what()), 1;
  std::printf("%s\n", answer->text.c_str());
}
