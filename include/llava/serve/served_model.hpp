// SPDX-License-Identifier: Apache-2.0
/// served_model: an opened model under a name, with the thread that runs its engine, and its metrics.
#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include <llava/pipeline/engine.hpp>
#include <llava/pipeline/opened_model.hpp>
#include <llava/serve/admission.hpp>
#include <llava/serve/mask_store.hpp>
#include <llava/serve/metrics.hpp>

LLAVA_BEGIN
namespace serve {

/// A model that answers. Its destructor stops the engine's thread, within a layer of the model.
class served_model {
 public:
  /// `most`: answers that run or wait at one time.
  served_model(std::string name, std::shared_ptr<const opened_model> opened, std::uint64_t most)
      : id(std::move(name)), model(std::move(opened)), answers(std::make_shared<limited_count>(most)) {
    driver_ = std::jthread([this](std::stop_token stop) {
      model->engine().drive(stop_signal(std::move(stop)));
      is_over_ = true;
    });
  }
  served_model(const served_model&) = delete;
  served_model& operator=(const served_model&) = delete;
  ~served_model() {
    driver_.request_stop();
    while (!is_over_) {  // the thread may have looked at the stop before, and sleep only now
      model->engine().wake();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  const std::string id;
  const std::shared_ptr<const opened_model> model;
  const std::shared_ptr<limited_count> answers;
  mask_store masks;
  duration_histogram first_token, next_token;
  std::atomic<std::uint64_t> requests{0}, refused{0}, dropped{0};

 private:
  std::atomic<bool> is_over_{false};
  std::jthread driver_;
};

}  // namespace serve
LLAVA_END
