// SPDX-License-Identifier: Apache-2.0
/// The whole pipeline on the CUDA backend, whose kernels run on the emulator (tests/cuda/emulator).
#include <algorithm>
#include <cstdlib>
#include <llava/backend/cuda_cublaslt.hpp>
#include <llava/image/file.hpp>
#include <llava/quant/q8_0.hpp>

#include "cuda/emulator/cublaslt.hpp"
#include "golden.hpp"

namespace {
/// Products of floats, and those of 16 bits on tensor cores and of blocks.
using floats = llava::weights<llava::f32>;
struct mixed : llava::weights<llava::bf16> {
  using vision = llava::q8_0;
  using projector = llava::q8_0;
  using head = llava::q8_0;
};
using on_cuda = llava::pipeline<llava::any, llava::cuda, floats>;

// Answers would take most of the time: each of their 64 tokens is a step of its own.
constexpr golden::bounds without_answers{golden::in_f32.cosine, golden::in_f32.error, false};
/// Models that differ in what the device does: tiles of an image and biases; SigLIP, grouped heads and a window; images
/// at three scales and a pooling projector; features of several layers; ALiBi; a window in some layers.
const std::string different[] = {"original_qwen2", "siglip_mistral", "original_s2",
                                 "clip_layers",    "text_mpt",       "text_qwen2_window"};

static_assert(llava::runs_ahead<llava::cuda::queue>);

const std::string tiny = LLAVA_EXAMPLES_DIR "/tiny";

/// bf16 weights with a KV cache of 8 bits.
struct small_cache : llava::weights<llava::bf16> {
  using kv_cache = llava::fp8_e4m3;
};

/// The bundled model, with at most `rows` rows in a step.
template <class B, class F>
auto bundled_model(int rows = llava::open_options().max_batch_tokens) {
  llava::open_options options;
  options.kv_tokens = 1024;
  options.max_batch_tokens = rows;
  auto model = llava::try_open<llava::any, B, F>(tiny, options);
  if (!model) FAIL(model.error().what());
  return *std::move(model);
}
llava::image scene() { return *llava::try_read_image(tiny + "/scenes/000000.png"); }

/// Its answer to a question about a picture.
template <class B, class F>
std::vector<std::int32_t> answer() {
  const auto model = bundled_model<B, F>();
  auto chat = model.session();
  chat.settings.max_new_tokens = 24;
  const auto answer = chat.try_ask(scene(), "Describe the picture.");
  if (!answer) FAIL(answer.error().what());
  return answer->tokens;
}
/// Its logits at every position of that question.
template <class B, class F>
std::vector<float> logits(int rows = llava::open_options().max_batch_tokens) {
  const auto model = bundled_model<B, F>(rows);
  const auto logits = model.session().try_logits(*model.try_prompt(1, "Describe the picture."), std::vector{scene()});
  if (!logits) FAIL(logits.error().what());
  return *logits;
}
}  // namespace

TEST_CASE("R15: every stage of golden models that differ, and 64 greedy tokens of one, match transformers on cuda") {
  for (const std::string& name : different)
    golden::check<on_cuda>(name, 64, name == different[0] ? golden::in_f32 : without_answers);
}

TEST_CASE("R15: every stage of all other golden models matches transformers on cuda", "[.slow]") {
  for (const char* name : golden::models)
    if (std::find(std::begin(different), std::end(different), name) == std::end(different))
      golden::check<on_cuda>(name, 64, without_answers);
}

TEST_CASE("a machine without a device, and a number that no device has, are errors when a model is opened") {
  llava::open_options options;
  options.device = 3;
  const auto absent = on_cuda::try_open(tiny, options);
  REQUIRE_FALSE(absent);
  CHECK(absent.error().sentence() == "llava: the CUDA device is 3, expected 0 to 0, since this machine has 1");

  ::setenv("LLAVA_TEST_NO_DEVICE", "1", 1);
  const auto none = on_cuda::try_open(tiny, {});
  ::unsetenv("LLAVA_TEST_NO_DEVICE");
  REQUIRE_FALSE(none);
  CHECK(none.error().code() == llava::errc::unsupported);
  CHECK(none.error().sentence() == "llava: this machine has no CUDA device; use another backend");
}

TEST_CASE("greedy tokens of the bundled model on cuda equal the CPU's") {
  const auto expected = answer<llava::simd, floats>();
  CHECK(answer<llava::cuda, floats>() == expected);
  CHECK(answer<llava::cuda, mixed>() == expected);
}

TEST_CASE("R15: with operands of 16 bits and integers on cuda, logits are within the bound for bf16 of the CPU's") {
  CHECK(largest_error(logits<llava::cuda, mixed>(), logits<llava::simd, mixed>()) <= 1.5e-2);
}

TEST_CASE("R15: with products of prompts and images by cuBLASLt, logits are within the bound for bf16 of the CPU's") {
  const long before = llava::emulator::cublaslt_calls().products;
  CHECK(largest_error(logits<llava::cuda_cublaslt, llava::bf16>(), logits<llava::simd, llava::bf16>()) <= 1.5e-2);
  CHECK(llava::emulator::cublaslt_calls().products > before);
}

TEST_CASE("R14: on cuda_deterministic logits have the same bytes for every chunk size, here with an fp8 cache") {
  const auto expected = logits<llava::cuda_deterministic, small_cache>();
  CHECK((logits<llava::cuda_deterministic, small_cache>(40) == expected));
  CHECK(largest_error(expected, logits<llava::simd, llava::bf16>()) <= 3e-2);  // 1.5e-2 for bf16 alone
}

TEST_CASE("R14: on cuda_deterministic an answer in a batch equals the answer alone") {
  const auto model = bundled_model<llava::cuda_deterministic, small_cache>(64);
  const char* questions[] = {"Describe the picture.", "How many shapes are there?", "Is there a circle?"};
  auto together = model.batch();
  std::vector<std::vector<std::int32_t>> alone;
  for (const char* question : questions) {
    llava::generation_settings settings;
    settings.max_new_tokens = 6;
    const std::string prompt = *model.try_prompt(1, question);
    REQUIRE(together.try_add(prompt, std::vector{scene()}, settings));
    auto chat = model.session();
    chat.settings = settings;
    const auto answer = chat.try_generate(prompt, std::vector{scene()});
    if (!answer) FAIL(answer.error().what());
    alone.push_back(answer->tokens);
  }
  const auto answers = together.try_run();
  if (!answers) FAIL(answers.error().what());
  for (std::size_t i = 0; i < alone.size(); ++i) CHECK((*answers)[i]->tokens == alone[i]);
}
