// SPDX-License-Identifier: Apache-2.0
/// What is not written as GGUF files: each case is an error that says why, and leaves no folder.
#include <llava/checkpoint/partial_folder.hpp>

#include <conversions.hpp>
#include <refuse_each.hpp>
#include <temporary_folder.hpp>

namespace {

using namespace llava;
using namespace conversions;

const std::string tiny = LLAVA_EXAMPLES_DIR "/tiny", goldens = LLAVA_TEST_DATA "/goldens/";

}  // namespace

TEST_CASE("what the GGUF format cannot hold is refused by name, and nothing is written") {
  temporary_folder f("gguf_refused");
  const std::pair<const char*, const char*> rows[] = {
      {"original_mpt", "in the GGUF format, which has no decoder mpt"},
      {"text_mpt", "which has no decoder mpt"},
      {"original_s2", "which has no S2 tower"},
      {"original_linear", "which has no projector but mlp2x_gelu with biases"},
      {"original_identity", "which has no projector but mlp2x_gelu"},
      {"original_inside", "which has no features of the class token"},
      {"clip_gqa_crop", "which has no features of the class token"},
      {"clip_layers", "which has no features of several layers but in ascending order"},
      {"original_slices", "which has no projector but mlp2x_gelu with biases"},
      {"siglip_mistral", "which has no attention window of 24 tokens for a language model of the family mistral"},
      {"text_qwen2_window", "which has no attention window of "}};
  for (const auto& [name, sentence] : rows) {
    const std::string found = error_of(opened(goldens + name), f / "new", checkpoint_layout::gguf);
    INFO(found);
    CHECK(found.find(sentence) != std::string::npos);
    CHECK(std::filesystem::is_empty(f.path));
  }
  const checkpoint from = opened(tiny);
  const auto changed = [&](void (*change)(model_description&)) {
    checkpoint c = opened(tiny);
    change(c.description);
    return error_of(c, f / "new", checkpoint_layout::gguf);
  };
  const std::pair<void (*)(model_description&), const char*> changes[] = {
      {[](model_description& d) { d.text_activation = "gelu"; }, "no activation gelu of the language model"},
      {[](model_description& d) { d.text.scaling = rope_scaling::longrope; }, "no longrope"},
      {[](model_description& d) { d.text_family = "qwen2"; }, "no biases for qwen2 but those of q, k and v"},
      {[](model_description& d) { d.vision.pre_norm = false; }, "no tower but CLIP and SigLIP"},
      {[](model_description& d) { d.vision_activation = "relu"; }, "no activation relu of this tower"},
      {[](model_description& d) { d.vision.select = feature_select::cls_patch; }, "no features of the class token"},
      {[](model_description& d) {
         d.vision.more_layers = {1, {1}};
       },
       "no features of several layers but in ascending"},
      {[](model_description& d) { d.projector.bias = false; }, "no projector but mlp2x_gelu with biases"},
      {[](model_description& d) { d.image_start_end = true; }, "no <im_start> and <im_end>"},
      {[](model_description& d) { d.image.rescale = 1; }, "no scale of pixels but 1 / 255"},
      {[](model_description& d) { d.image.filter = resampling::lanczos; }, "no filter of images but bicubic"},
      {[](model_description& d) { d.image.resize += 2; }, "no size of images but the tower's"},
      {[](model_description& d) { d.image.shape = aspect::stretch; }, "no image processor that cuts for SigLIP"},
      {[](model_description& d) { d.has_video = true; }, "has settings of videos, which are not converted"},
      {[](model_description& d) {
         d.eos = {1, 2, 3, 4};
       },
       "any of 4 tokens ends an answer"},
      {[](model_description& d) { d.text.vocab = 700; }, "tokens for the 700 rows of its embedding table"}};
  for (const auto& [change, sentence] : changes) {
    const std::string found = changed(change);
    INFO(found);
    INFO(sentence);
    CHECK(found.find(sentence) != std::string::npos);
  }
  int calls = 0;
  convert_options cancelled;
  cancelled.report = [&](const progress& p) { return p.done <= p.total && ++calls < 3; };
  CHECK(error_of(from, f / "new", checkpoint_layout::gguf, cancelled) ==
        "llava: converting " + tiny + " was cancelled");
  CHECK(std::filesystem::is_empty(f.path));
}

TEST_CASE("a tokenizer that GGUF files cannot hold is refused") {
  temporary_folder f("gguf_words"), g("gguf_words_new");
  f.copy(goldens + "text_qwen2");
  const std::string json = f.read("tokenizer.json");
  const auto refused = [&](const std::string& text, const char* sentence) {
    REQUIRE_FALSE(text.empty());
    f.write("tokenizer.json", text);
    const std::string found = error_of(opened(f.path.string()), g / "new", checkpoint_layout::gguf);
    INFO(found);
    CHECK(found.find(sentence) != std::string::npos);
    CHECK(std::filesystem::is_empty(g.path));
  };
  const std::size_t cut = json.find(R"("pre_tokenizer")"), behind = json.find(R"("post_processor")");
  refused(json.substr(0, cut) +
              R"("pre_tokenizer":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},)" +
              json.substr(behind),
          "they have no name for the way in which it cuts a text into words");
  refused(replaced(json, R"("ignore_merges":false)", R"("ignore_merges":true)"),
          "ignore_merges is true, which it is for Llama 3 alone");
  refused(replaced(json, R"("content":"<|im_start|>","single_word":false,"lstrip":false)",
                   R"("content":"<|im_start|>","single_word":false,"lstrip":true)"),
          "read from one, 'a <|im_start|> b<|im_start|>c <|im_start|>' has other ids or another text");
  temporary_folder h("gguf_words_llama");
  h.copy(goldens + "text_llama");
  std::filesystem::remove(h / "tokenizer.model");
  const std::string merged = h.read("tokenizer.json");
  const std::size_t first = merged.find('[', merged.find("\"merges\"")), end = merged.find(']', first + 1);
  const std::size_t comma = merged.find(',', end);
  h.write("tokenizer.json", merged.substr(0, first + 1) + merged.substr(comma + 1));  // without the first merge
  const std::string found = error_of(opened(h.path.string()), g / "new", checkpoint_layout::gguf);
  INFO(found);
  CHECK(found.find("so its pieces have no scores as in SentencePiece") != std::string::npos);
}

TEST_CASE("a refused allocation is an error, and leaves no GGUF folder") {
  const checkpoint from = opened(goldens + "clip_mha");
  temporary_folder f("gguf_refused_memory");
  const std::string to = f / "new";
  const auto converted = [&] {
    detail::remove_folder(to);
    auto done = try_convert(from, to, checkpoint_layout::gguf);
    if (!done && detail::folder_exists(to)) FAIL(to);
    return done;
  };
  CHECK(refuse_each(converted, 60, 97) > 20);
}
