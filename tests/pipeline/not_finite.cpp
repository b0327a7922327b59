// SPDX-License-Identifier: Apache-2.0
/// A model with damaged weights returns an error, not an empty answer.
#include <charconv>
#include <temporary_folder.hpp>

#include "tiny_model.hpp"

TEST_CASE("logits that are NaN or infinite are an error, greedy and sampled, alone and in a batch", "[pipeline]") {
  const std::string golden = LLAVA_TEST_DATA "/goldens/clip_mha";
  for (const std::string_view half : {std::string_view("\x00\x7e", 2), std::string_view("\x00\x7c", 2)}) {  // NaN, +inf
    temporary_folder f("not_finite");
    f.copy(golden);
    std::string weights = f.read("model.safetensors");
    const std::size_t entry = weights.find("\"language_model.model.norm.weight\"");
    REQUIRE(entry != std::string::npos);
    const std::size_t offsets = weights.find("\"data_offsets\":[", entry) + 16;
    std::size_t first = 0;
    std::from_chars(weights.data() + offsets, weights.data() + offsets + 20, first);
    std::uint64_t header = 0;
    std::memcpy(&header, weights.data(), 8);
    weights.replace(8 + header + first, 2, half);
    f.write("model.safetensors", weights);

    const auto model = tiny::open_folder(f.path.string());
    auto chat = model.session();
    for (const float temperature : {0.f, 0.7f}) {
      chat.settings.temperature = temperature;
      const auto a = chat.try_ask("hello");
      REQUIRE_FALSE(a);
      CHECK(a.error().code() == llava::errc::not_finite);
      CHECK(a.error().sentence().find("logits are NaN or +infinity in places") != std::string::npos);
      chat.hooks.on_logits = [](std::span<float>) { FAIL("the hook was called with logits that are not finite"); };
      CHECK(chat.try_ask("hello").error().code() == llava::errc::not_finite);
      chat.hooks = {};
    }
    auto together = model.batch();
    llava::generation_settings few;
    few.max_new_tokens = 2;
    REQUIRE(together.try_add("hello", {}, few));
    const auto answers = together.try_run();
    REQUIRE(answers);
    CHECK((*answers)[0].error().code() == llava::errc::not_finite);
  }
}
