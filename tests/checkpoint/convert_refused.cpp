// SPDX-License-Identifier: Apache-2.0
/// What a layout cannot hold, options without a meaning, cancelled work and refused memory: a sentence each, and no
/// folder.
#include <llava/checkpoint/conversion.hpp>

#include <conversions.hpp>
#include <refuse_each.hpp>
#include <temporary_folder.hpp>

namespace {

using namespace llava;
using namespace conversions;

const std::string tiny = LLAVA_EXAMPLES_DIR "/tiny", goldens = LLAVA_TEST_DATA "/goldens/";

}  // namespace

TEST_CASE("what a layout cannot hold is refused by name, and nothing is written") {
  struct refused {
    std::string from, to;
    checkpoint_layout layout;
    const char* sentence;
  };
  temporary_folder f("refused");
  const auto hf = checkpoint_layout::llava_hf, original = checkpoint_layout::original;
  for (const refused& r :
       {refused{"original_mpt", "new", hf, "in transformers' layout (llava-hf), which has no decoder mpt"},
        refused{"original_linear", "new", hf, "which has no projector but mlp2x_gelu"},
        refused{"original_identity", "new", hf, "which has no projector but mlp2x_gelu"},
        refused{"original_inside", "new", hf, "which has no projector but mlp2x_gelu"},
        refused{"clip_gqa_crop", "llava-v1.5", original, "which has no projector but mlpNx_gelu with biases"},
        refused{"siglip_last_layer", "llava-v1.5", original,
                "in the original layout, which has no features of SigLIP but those of the last layer but one"},
        refused{"clip_llama3_new_names", "llava-v1.5", original,
                "which has no scaling of the rotary embedding but linear and dynamic"},
        refused{"clip_layers", "llava-v1.5", original,
                " has features of several layers, which are not converted to other layouts"},
        refused{"original_slices", "new", hf, " has features of several layers, which are not converted"},
        refused{"original_s2", "new", hf, "which has no S2 tower"},
        refused{"text_llama", "new", hf, "which has no place for a language model alone"},
        refused{"text_llama", "llava-v1.5", original, "which has no place for a language model alone"},
        refused{"clip_mha", "new", original, "chooses its conversation by the folder's name, and knows none for new;"},
        refused{"clip_mha", "llava-new", original, "and knows none for llava-new;"}}) {
    INFO(r.sentence);
    const std::string to = f / r.to, sentence = error_of(opened(goldens + r.from), to, r.layout);
    INFO(sentence);
    CHECK(sentence.rfind("llava: ", 0) == 0);
    CHECK(sentence.find(r.sentence) != std::string::npos);
    CHECK(std::filesystem::is_empty(f.path));
  }
  const checkpoint from = opened(tiny);
  temporary_folder video("video");
  video.copy(goldens + "next");
  video.write("config.json", replaced(video.read("config.json"), "{", "{\"spatial_pool_mode\": \"average\","));
  CHECK(error_of(opened(video.path.string()), f / "llava-v1.6", original)
            .find(" has settings of videos, which are not converted to other layouts") != std::string::npos);
  checkpoint patched = opened(goldens + "original_anyres");
  patched.description.adds_image_patch = true;
  const auto words = try_open_tokenizer(goldens + "original_anyres", patched.description.slow_tokenizer, image_patch);
  REQUIRE(words);
  patched.tokenizer = *words;
  CHECK(error_of(patched, f / "new", hf).find("token <im_patch> that the tokenizer's files lack") != std::string::npos);
  checkpoint siglip = opened(goldens + "siglip_mistral");
  siglip.description.image.mean[1] = 0.25;
  CHECK(error_of(siglip, f / "llava-v1.6", original).find("which has no other image settings for SigLIP") !=
        std::string::npos);
  checkpoint other = opened(goldens + "clip_mha");
  other.description.vision.pre_norm = false;
  CHECK(error_of(other, f / "llava-v1.6", original).find("no tower but CLIP and SigLIP") != std::string::npos);
  const stored_tensor* norm = from.tensors.find("text.norm.weight");
  const stored_tensor blocks{"x", dtype::uint8, "q8_0", {1, 34}, norm->bytes.first(34), "file"};
  detail::conversion_plan as_f16(dtype::float16), kept({});
  CHECK(as_f16.try_add(blocks, "x").error().sentence() ==
        "llava: file: x is stored as q8_0, whose values are rounded already; convert the folder that it was quantised "
        "from");
  CHECK(kept.try_add(blocks, "x"));
  stored_tensor odd = *norm;
  odd.unsupported_type = "F64";
  CHECK(kept.try_add(odd, "x").error().sentence().find(" is of type F64, which cannot be converted") !=
        std::string::npos);
  convert_options o;
  o.type = dtype::uint8;
  CHECK(error_of(from, f / "new", hf, o) == "llava: the type of converted weights is f32, f16 or bf16");
  o.type = {}, o.model_name = "llava-v1.5-7b";
  CHECK(error_of(from, f / "new", hf, o) ==
        "llava: a model name (--model-name) is stored where a model of another layout becomes an original one, which " +
            tiny + " does not");
  o.model_name.clear(), o.shard_bytes = 0;
  CHECK(error_of(from, f / "new", hf, o) == "llava: shards of 0 bytes hold no tensor");
  f.write("taken/file", "");
  CHECK(error_of(from, f / "taken", hf).find("already exists and is not an empty folder") != std::string::npos);
  int calls = 0;
  convert_options cancelled;
  cancelled.report = [&](const progress& p) { return p.what == "converting weights" && ++calls < 3; };
  CHECK(error_of(from, f / "new", hf, cancelled) == "llava: converting " + tiny + " was cancelled");
  CHECK_FALSE(std::filesystem::exists(f / "new"));
}

TEST_CASE("a refused allocation is an error, and leaves no folder") {
  const checkpoint from = opened(goldens + "original_folder"), hf = opened(goldens + "clip_mha");
  temporary_folder f("refused_memory");
  const auto converted = [](const checkpoint& c, std::string to, checkpoint_layout layout) {
    return [&c, to, layout] {
      detail::remove_folder(to);
      auto done = try_convert(c, to, layout);
      if (!done && detail::folder_exists(to)) FAIL(to);
      return done;
    };
  };
  refuse_each(converted(from, f / "hf", checkpoint_layout::llava_hf), 100, 97);
  refuse_each(converted(hf, f / "llava-v1.5", checkpoint_layout::original), 100, 97);
  detail::remove_folder(f / "hf");
  detail::remove_folder(f / "llava-v1.5");
  CHECK(std::filesystem::is_empty(f.path));
}
