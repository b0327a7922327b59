// SPDX-License-Identifier: Apache-2.0
#include <llava/checkpoint/describe.hpp>

#include <llava_catch.hpp>
#include <temporary_folder.hpp>

namespace {

const std::string golden = LLAVA_TEST_DATA "/goldens/clip_mha";

llava::model_description described(const temporary_folder& f) {
  auto d = llava::try_describe_model(f.path.string());
  if (!d) FAIL(d.error().what());
  return *std::move(d);
}
std::string error_of(const temporary_folder& f) {
  const auto d = llava::try_describe_model(f.path.string());
  return d ? "" : d.error().sentence();
}

}  // namespace

TEST_CASE("llava-hf/llava-1.5-7b-hf: keys missing from its config.json have transformers' defaults") {
  temporary_folder f("llava_hf");
  f.write(
      "config.json",
      R"({"architectures": ["LlavaForConditionalGeneration"], "ignore_index": -100, "image_token_index": 32000, "model_type": "llava",
    "pad_token_id": 32001, "projector_hidden_act": "gelu", "torch_dtype": "float16", "vision_feature_layer": -2, "vision_feature_select_strategy": "default",
    "text_config": {"_name_or_path": "lmsys/vicuna-7b-v1.5", "architectures": ["LlamaForCausalLM"], "max_position_embeddings": 4096, "model_type": "llama",
                    "rms_norm_eps": 1e-05, "torch_dtype": "float16", "vocab_size": 32064},
    "vision_config": {"hidden_size": 1024, "image_size": 336, "intermediate_size": 4096, "model_type": "clip_vision_model", "num_attention_heads": 16,
                      "num_hidden_layers": 24, "patch_size": 14, "projection_dim": 768, "vocab_size": 32000}})");
  f.write(
      "preprocessor_config.json",
      R"({"crop_size": {"height": 336, "width": 336}, "do_center_crop": true, "do_normalize": true, "do_resize": true,
    "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_processor_type": "CLIPImageProcessor", "image_std": [0.26862954, 0.26130258, 0.27577711],
    "resample": 3, "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": 336}})");
  const auto d = described(f);
  CHECK(d.spelling == llava::tensor_spelling::llava_hf);
  CHECK(d.text.layers == 32);
  CHECK(d.text.hidden == 4096);
  CHECK(d.text.ffn == 11008);
  CHECK(d.text.kv_heads == 32);
  CHECK(d.text.head_dim == 128);
  CHECK(d.text.vocab == 32064);
  CHECK(d.text.context == 4096);
  CHECK(d.text.eps == 1e-5f);
  CHECK(d.text.rope_theta == 10000.0f);
  CHECK(d.vision.layers_run() == 23);
  CHECK(d.vision.features() == 576);
  CHECK(d.vision_activation == "quick_gelu");
  CHECK(d.projector.depth == 2);
  CHECK(d.image.shape == llava::aspect::crop);
  CHECK(d.image_token == 32000);
  CHECK(d.eos == std::vector<std::int32_t>{2});
  CHECK(d.conversation.name.empty());  // no chat_template: the model's type decides when it is opened
  CHECK(d.conversation.guessed);
}

TEST_CASE("liuhaotian/llava-v1.5-7b: the original layout, with the tower in a separate folder") {
  temporary_folder f("llava-v1.5-7b");
  const std::string config =
      R"({"_name_or_path": "llava-v1.5-7b", "architectures": ["LlavaLlamaForCausalLM"], "bos_token_id": 1, "eos_token_id": 2,
    "freeze_mm_mlp_adapter": false, "freeze_mm_vision_resampler": false, "hidden_act": "silu", "hidden_size": 4096, "image_aspect_ratio": "pad",
    "initializer_range": 0.02, "intermediate_size": 11008, "max_length": 4096, "max_position_embeddings": 4096, "mm_hidden_size": 1024,
    "mm_projector_type": "mlp2x_gelu", "mm_resampler_type": null, "mm_use_im_patch_token": false, "mm_use_im_start_end": false,
    "mm_vision_select_feature": "patch", "mm_vision_select_layer": -2, "mm_vision_tower": "openai/clip-vit-large-patch14-336", "model_type": "llava",
    "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 32, "pad_token_id": 0, "pretraining_tp": 1, "rms_norm_eps": 1e-05,
    "rope_scaling": null, "tie_word_embeddings": false, "torch_dtype": "float16", "use_cache": true, "use_mm_proj": true, "vocab_size": 32000})";
  f.write("config.json", config);
  CHECK(error_of(f).find("llava pull openai/clip-vit-large-patch14-336") != std::string::npos);
  f.write("openai/clip-vit-large-patch14-336/config.json",
          R"({"model_type": "clip", "projection_dim": 768, "text_config": {}, "vision_config": {"hidden_size": 1024,
    "image_size": 336, "intermediate_size": 4096, "model_type": "clip_vision_model", "num_attention_heads": 16, "num_hidden_layers": 24, "patch_size": 14}})");
  f.write("openai/clip-vit-large-patch14-336/preprocessor_config.json",
          R"({"crop_size": 336, "do_center_crop": true, "do_normalize": true, "do_resize": true,
    "feature_extractor_type": "CLIPFeatureExtractor", "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711],
    "resample": 3, "size": 336})");
  const auto d = described(f);
  CHECK(d.spelling == llava::tensor_spelling::original);
  CHECK(d.image.shape == llava::aspect::pad);
  CHECK(d.image.crop == 336);
  CHECK(d.projector.depth == 2);
  CHECK(d.projector_type == "mlp_gelu");
  CHECK(d.vision_folder == f / "openai/clip-vit-large-patch14-336");

  f.write("config.json", replaced(config, "\"image_aspect_ratio\": \"pad\",", ""));
  CHECK(described(f).image.shape == llava::aspect::crop);
  for (const auto& [from, to, fragment] :
       {std::tuple<const char*, const char*, const char*>{"\"pad\",", "\"anyres\",", "image_grid_pinpoints"},
        {"\"patch\"", "\"class\"", "patch or cls_patch"},
        {"layer\": -2", "layer\": -30", "vision.select_layer must index"}}) {
    INFO(to);
    f.write("config.json", replaced(config, from, to));
    CHECK(error_of(f).find(fragment) != std::string::npos);
  }
  // Custom names are accepted here: opening a model checks whether it has them.
  for (const std::string name : {"mlp2x_relu", "mlp0x_gelu", "mlp99999999999x_gelu", "resampler"}) {
    f.write("config.json", replaced(replaced(config, "mlp2x_gelu", name), "\"silu\"", "\"relu\""));
    const llava::model_description own = described(f);
    CHECK(own.projector_type == name);
    CHECK(own.text_activation == "relu");
  }
}

TEST_CASE("R1: invalid numbers in a configuration are errors that name file and key") {
  temporary_folder f("negatives");
  f.copy(golden);
  const std::string config = f.read("config.json"), images = f.read("preprocessor_config.json");
  CHECK(error_of(f).empty());
  struct row {
    const char *from, *to, *fragment;
  };
  for (const row& r :
       {row{"\"hidden_size\": 48", "\"hidden_size\": 0", "text.hidden must be"},
        {"\"hidden_size\": 48", "\"hidden_size\": -48", "text.hidden must be"},
        {"\"hidden_size\": 48", "\"hidden_size\": 48.5", "\"text_config.hidden_size\" must be a 32-bit integer"},
        {"\"hidden_size\": 48", "\"hidden_size\": \"48\"", "\"text_config.hidden_size\" must be a 32-bit integer"},
        {"\"hidden_size\": 48", "\"hidden_size\": 99999999999", "must be a 32-bit integer"},
        {"\"hidden_size\": 48", "\"hidden_size\": 2147483647", "text.hidden must be"},
        {"\"num_hidden_layers\": 2,", "\"num_hidden_layers\": 1000000,", "text.layers must be"},
        {"\"num_key_value_heads\": 4", "\"num_key_value_heads\": 3", "kv_heads"},
        {"\"num_key_value_heads\": 4", "\"num_key_value_heads\": 0", "kv_heads"},
        {"\"head_dim\": 12", "\"head_dim\": 13", "head_dim"},
        {"\"intermediate_size\": 104", "\"intermediate_size\": 0", "text.ffn must be"},
        {"\"vocab_size\": 402", "\"vocab_size\": 0", "text.vocab must be"},
        {"\"rms_norm_eps\": 1e-05", "\"rms_norm_eps\": 0", "eps"},
        {"\"rms_norm_eps\": 1e-05", "\"rms_norm_eps\": 1e99", "32-bit float"},
        {"\"rope_theta\": 10000.0", "\"rope_theta\": -1", "rope"},
        {"\"rope_type\": \"default\"", "\"rope_type\": \"mrope\"",
         "default, linear, dynamic, yarn, longrope or llama3"},
        {"\"max_position_embeddings\": 1024", "\"max_position_embeddings\": 0", "text.context"},
        {"\"model_type\": \"llama\"", "\"model_type\": \"gpt2\"", "\"text_config.model_type\" is gpt2"},
        {"\"model_type\": \"llava\"", "\"model_type\": \"llava_onevision\"",
         "\"model_type\" is llava_onevision, expected llava, llava_next or llava_next_video"},
        {"\"model_type\": \"clip_vision_model\"", "\"model_type\": \"dinov2\"",
         "clip_vision_model or siglip_vision_model"},
        {"\"hidden_size\": 32", "\"hidden_size\": 33", "multiple of vision.heads"},
        {"\"patch_size\": 14", "\"patch_size\": 0", "vision.patch must be"},
        {"\"patch_size\": 14", "\"patch_size\": 43", "vision.patch must be"},
        {"\"image_size\": 42", "\"image_size\": 2147483646", "vision.image must be"},
        {"\"image_size\": 42", "\"image_size\": 28", "prepares images of 42 pixels, expected the tower's 28"},
        {"\"num_channels\": 3", "\"num_channels\": 1", "num_channels"},
        {"\"vision_feature_layer\": -2", "\"vision_feature_layer\": 9", "vision.select_layer must index"},
        {"\"vision_feature_layer\": -2", "\"vision_feature_layer\": [-2, 9]", "and so must at most 15 more_layers"},
        {"\"default\"\n}", "\"cls\"\n}", "default or full"},
        {"\"projector_hidden_act\": \"gelu\"", "\"projector_hidden_act\": \"relu\"", "projector_hidden_act"},
        {"\"text_config\": {", "\"text_config\": [{", "not JSON"},
        {"\"eos_token_id\": 2,", "\"eos_token_id\": [2, -1],", "eos_token_id"},
        {"\"eos_token_id\": 2,", "\"eos_token_id\": \"</s>\",", "eos_token_id"}}) {
    INFO(r.to);
    const std::string changed = replaced(config, r.from, r.to);
    REQUIRE_FALSE(changed.empty());
    f.write("config.json", changed);
    const std::string sentence = error_of(f);
    INFO(sentence);
    CHECK(sentence.find(r.fragment) != std::string::npos);
    CHECK(sentence.find(f.path.string()) != std::string::npos);
  }
  f.write("config.json", config);
  for (const row& r : {row{"\"height\": 42", "\"height\": 43", "a square"},
                       {"\"shortest_edge\": 42", "\"shortest_edge\": 0", "\"size\" must be at least one pixel"},
                       {"\"shortest_edge\": 42", "\"shortest_edge\": \"42\"", "size.shortest_edge"},
                       {"\"resample\": 3", "\"resample\": 0", "3 (bicubic)"},
                       {"\"do_rescale\": true", "\"do_rescale\": \"no\"", "do_rescale"},
                       {"\"do_normalize\": true", "\"do_normalize\": 1", "true or false"},
                       {"0.27577711", "0", "std"},
                       {"0.27577711", "\"x\"", "one number or three numbers"},
                       {",\n    0.27577711", "", "one number or three numbers"}}) {
    INFO(r.to);
    const std::string changed = replaced(images, r.from, r.to);
    REQUIRE_FALSE(changed.empty());
    f.write("preprocessor_config.json", changed);
    const std::string sentence = error_of(f);
    INFO(sentence);
    CHECK(sentence.find(r.fragment) != std::string::npos);
  }
}

TEST_CASE("errors name GGUF files, quantised weights and incomplete configurations") {
  temporary_folder f("kinds");
  CHECK(error_of(f) == "llava: " + f.path.string() + " has no config.json");
  f.write("model-00001-of-00002.safetensors", "").write("mmproj.gguf", "").write("llava-7b.gguf", "");
  CHECK(error_of(f).find("has no config.json; it has a GGUF file, llava-7b.gguf: pass the path of the file") !=
        std::string::npos);

  for (const auto& [config, fragment] :
       {std::pair<const char*, const char*>{
            R"({"model_type": "llava", "text_config": {}, "quantization_config": {"quant_method": "exl2"}})",
            "\"quantization_config\" is exl2, expected bitsandbytes, gptq, awq or none; use the unquantised model"},
        {R"({"text_config": {"quantization_config": {"quant_method": "awq", "version": "gemv"}}})",
         "\"text_config.quantization_config.version\" is gemv, expected gemm"},
        {R"({"model_type": "llama", "quantization_config": {"bits": 4}})", "is an unnamed method"},
        {R"({"model_type": "llama", "quantization_config": 4})", "must be an object"},
        {R"({"model_type": "llava", "vision_config": {}, "image_token_index": 32000})",
         "\"model_type\" is llava, but neither \"text_config\" (transformers' layout) nor"},
        {R"({"model_type": "llava_llama"})", "\"model_type\" is llava_llama, but neither \"text_config\""},
        {"version https://git-lfs.github.com/spec/v1\n", "config.json is a Git LFS pointer"}}) {
    f.write("config.json", config);
    INFO(error_of(f));
    CHECK(error_of(f).find(fragment) != std::string::npos);
    CHECK(error_of(f).find(f / "config.json") != std::string::npos);
  }
  f.write("config.json",
          R"({"model_type": "llama", "quantization_config": null, "vocab_size": 7, "vocab_size": 32000})");
  CHECK(error_of(f).empty());
  CHECK(described(f).text.vocab == 32000);
}

TEST_CASE("sliding windows: none in LLaMA, one for all layers of Mistral, one for the last layers of Qwen2") {
  temporary_folder f("windows");
  const auto read = [&](const std::string& json) {
    f.write("config.json", R"({"num_hidden_layers": 4, )" + json + "}");
    const auto d = described(f);
    return std::pair(d.text.window, d.text.full_layers);
  };
  const auto wrong = [&](const std::string& json) {
    f.write("config.json", R"({"num_hidden_layers": 4, )" + json + "}");
    return error_of(f);
  };
  using window = std::pair<int, int>;
  CHECK(read(R"("model_type": "llama", "sliding_window": 24)") == window(0, 0));
  CHECK(read(R"("model_type": "mistral")") == window(4096, 0));
  CHECK(read(R"("model_type": "mistral", "sliding_window": 24, "use_sliding_window": false)") == window(24, 0));
  CHECK(read(R"("model_type": "mistral", "sliding_window": null)") == window(0, 0));
  CHECK(read(R"("model_type": "qwen2", "sliding_window": 24)") == window(0, 0));
  const std::string qwen2 = R"("model_type": "qwen2", "use_sliding_window": true, )";
  CHECK(read(qwen2 + R"("sliding_window": 24)") == window(0, 0));  // max_window_layers defaults to 28
  CHECK(read(qwen2 + R"("sliding_window": 24, "max_window_layers": 1)") == window(24, 1));
  CHECK(read(qwen2 + R"("max_window_layers": 0)") == window(4096, 0));
  CHECK(read(qwen2 + R"("sliding_window": null, "max_window_layers": 1)") == window(0, 0));
  const std::string full = R"("full_attention")", slides = R"("sliding_attention")";
  const auto types = [&](const std::string& a, const std::string& b, const std::string& c, const std::string& d) {
    return R"("layer_types": [)" + a + "," + b + "," + c + "," + d + "]";
  };
  CHECK(read(qwen2 + types(full, full, full, slides)) == window(4096, 3));
  CHECK(read(qwen2 + types(full, full, full, full)) == window(0, 0));
  CHECK(wrong(qwen2 + types(full, slides, full, slides)).find("\"layer_types\" is mixed") != std::string::npos);
  CHECK(wrong(qwen2 + types(full, full, full, "7")).find("\"layer_types\" must be a list of") != std::string::npos);
  CHECK(wrong(qwen2 + R"("layer_types": ["full_attention"])").find("num_hidden_layers (4)") != std::string::npos);
  CHECK(wrong(R"("model_type": "qwen2", )" + types(full, full, full, slides)).find("without use_sliding_window") !=
        std::string::npos);
  CHECK(wrong(R"("model_type": "mistral", "sliding_window": 0)").find("null, or at least 1") != std::string::npos);
}

TEST_CASE(
    "original folders: the slow tokenizer unless the name has mistral or mpt, and the longest prompt with images") {
  const auto write = [](temporary_folder& f, const std::string& more) {
    f.copy(LLAVA_TEST_DATA "/goldens/original_inside");
    f.write("config.json", replaced(f.read("config.json"), "\"mm_hidden_size\":", more + "\"mm_hidden_size\":"));
  };
  temporary_folder llama("llava-v1.5-7b"), mistral("LLaVA-v1.6-Mistral-7b"), mpt("llava-mpt-7b");
  write(llama, R"("tokenizer_model_max_length": 2048, )");
  write(mistral, "");
  write(mpt, R"("tokenizer_model_max_length": null, )");
  CHECK((described(llama).slow_tokenizer && described(llama).longest_prompt == 2048));
  CHECK((!described(mistral).slow_tokenizer && described(mistral).longest_prompt == 0));
  CHECK((!described(mpt).slow_tokenizer && described(mpt).longest_prompt == 0));
  temporary_folder hf("llava_hf_fast"), none("no_length");
  hf.copy(golden);
  CHECK_FALSE(described(hf).slow_tokenizer);
  write(none, R"("tokenizer_model_max_length": 0, )");
  CHECK(error_of(none).find("\"tokenizer_model_max_length\" must be at least 1") != std::string::npos);
}

TEST_CASE("biases and KV heads are read by the rules of each language model") {
  temporary_folder f("biases");
  const auto read = [&](const char* type) {
    f.write("config.json",
            R"({"attention_bias": true, "mlp_bias": true, "num_key_value_heads": null, "model_type": ")" +
                std::string(type) + "\"}");
    return described(f).text;
  };
  CHECK((read("llama").qkv_bias && read("llama").o_bias && read("llama").mlp_bias));
  CHECK_FALSE((read("mistral").qkv_bias || read("mistral").o_bias || read("mistral").mlp_bias));
  CHECK((read("qwen2").qkv_bias && !read("qwen2").o_bias && !read("qwen2").mlp_bias));
  CHECK((read("llama").kv_heads == 32 && read("mistral").kv_heads == 32));
}

TEST_CASE("R1: a config.json with any damaged byte gives a model description or an error") {
  temporary_folder f("mutations");
  f.copy(golden);
  const std::string config = f.read("config.json");
  for (std::size_t i = 0; i < config.size(); ++i)
    for (const char byte : {'\0', '9', '"', '}', '\xff'}) {
      std::string damaged = config;
      damaged[i] = byte;
      f.write("config.json", damaged);
      error_of(f);
    }
}
