// SPDX-License-Identifier: Apache-2.0
/// Checkpoints with real shapes and random weights, for measurements only: a folder in llava-hf's layout that takes a
/// few seconds per gigabyte to write. Names and shapes of the weights come from the stages. The tokenizer is the
/// bundled model's; its tokens are the first of the vocabulary.
#pragma once
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <llava.hpp>
#include <llava/checkpoint/safetensors.hpp>
#include <string>
#include <vector>

#include "../memory.hpp"

namespace bench {

/// The sizes of a model.
struct model_shape {
  std::string name = "7b-8of32";
  llava::vision_config vision{};  // CLIP ViT-L/14-336
  llava::text_config text{};      // LLaMA-7B

  /// LLaVA-1.5-7B with some of its 32 layers, or all.
  static model_shape llava_7b(int layers) {
    model_shape s;
    s.text.layers = layers;
    s.name = layers == 32 ? "7b" : "7b-" + std::to_string(layers) + "of32";
    return s;
  }
};

class random_model {
 public:
  /// The folder below `parent` of a model whose weights are stored as F. Writes it if it does not exist.
  template <llava::floating F>
  static std::string folder(const model_shape& shape, const std::filesystem::path& parent) {
    const auto made = parent / (shape.name + "-" + std::string(llava::format<F>::name));
    if (std::filesystem::exists(made / "config.json")) return made.string();
    const auto unfinished = std::filesystem::path(made.string() + ".unfinished");
    std::filesystem::remove_all(unfinished);
    std::filesystem::create_directories(unfinished);
    std::fprintf(stderr, "writing random weights to %s\n", made.c_str());
    const std::filesystem::path tiny = LLAVA_EXAMPLES_DIR "/tiny";
    for (const char* file : {"tokenizer.json", "tokenizer_config.json", "tokenizer.model", "generation_config.json"})
      std::filesystem::copy_file(tiny / file, unfinished / file);
    write_configs(shape, unfinished, llava::format<F>::name);
    write_weights<F>(shape, unfinished / "model.safetensors");
    std::filesystem::rename(unfinished, made);
    return made.string();
  }

 private:
  struct tensor {
    std::string name;
    std::vector<std::int64_t> dims;
    std::size_t count;
  };

  /// Every weight of the stages, including the tower's last layer: checkpoints hold it, LLaVA does not run it.
  static std::vector<tensor> tensors(const model_shape& shape) {
    std::vector<tensor> all;
    const llava::tensor_names names(llava::tensor_spelling::llava_hf, llava::safetensors_folder{});
    const auto visit = [&](const std::string& name, auto&, const llava::tensor_dims& dims) {
      all.push_back({names.file_name(name), {}, static_cast<std::size_t>(dims.size())});
      for (int i = 0; i < dims.rank; ++i) all.back().dims.push_back(dims.extent[static_cast<std::size_t>(i)]);
    };
    using llava::scalar, llava::f16, llava::loaded;
    const auto tower = llava::with(shape.vision, [](auto& c) { c.select_layer = -1; });
    llava::vit<scalar, loaded<llava::vision_config>, f16, llava::quick_gelu>({tower}, {}).each(visit);
    llava::projector_config projector;
    projector.vision_hidden = shape.vision.hidden;
    projector.hidden = shape.text.hidden;
    llava::mlp_gelu::stage<scalar, f16>(projector).each(visit);
    llava::llama_decoder::stage<scalar, loaded<llava::text_config>, llava::weights<f16>, llava::silu>(
        {shape.text}, {}, shape.text.vocab, shape.text.vocab)
        .each(visit);
    return all;
  }

  template <class F>
  static void write_weights(const model_shape& shape, const std::filesystem::path& path) {
    const auto all = tensors(shape);
    const char* type = std::is_same_v<F, llava::f16> ? "F16" : std::is_same_v<F, llava::bf16> ? "BF16" : "F32";
    std::string header = "{";
    std::size_t at = 0;
    for (const tensor& t : all) {
      std::string dims;
      for (std::int64_t d : t.dims) dims += (dims.empty() ? "" : ",") + std::to_string(d);
      header += (at ? ",\"" : "\"") + t.name + "\":{\"dtype\":\"" + type + "\",\"shape\":[" + dims +
                "],\"data_offsets\":[" + std::to_string(at) + "," + std::to_string(at + t.count * sizeof(F)) + "]}";
      at += t.count * sizeof(F);
    }
    header += "}";
    header.resize((header.size() + 63) / 64 * 64, ' ');
    std::ofstream out(path, std::ios::binary);
    const std::uint64_t size = header.size();
    out.write(reinterpret_cast<const char*>(&size), sizeof size)
        .write(header.data(), static_cast<std::streamsize>(size));

    // One block of values is repeated, from a different offset for each tensor: speed does not depend on the values.
    const array<F> random(1, (std::ptrdiff_t{1} << 22) + 17, 0.035f), ones(1, 1 << 16);
    for (F& x : ones.values()) x = llava::from_float<F>(1.f);
    std::size_t from = 0;
    for (const tensor& t : all) {
      const bool is_norm = t.dims.size() == 1 && t.name.find("norm") != std::string::npos && t.name.ends_with("weight");
      const auto block = is_norm ? ones.values() : random.values();
      for (std::size_t left = t.count; left > 0;) {
        from %= block.size();
        const std::size_t n = std::min(left, block.size() - from);
        out.write(reinterpret_cast<const char*>(block.data() + from), static_cast<std::streamsize>(n * sizeof(F)));
        left -= n, from += n;
      }
    }
    if (!out.flush()) {
      std::fprintf(stderr, "cannot write %s: is the disk full?\n", path.c_str());
      std::exit(1);
    }
  }

  static void write_configs(const model_shape& s, const std::filesystem::path& folder, std::string_view type) {
    const auto number = [](auto v) { return std::to_string(v); };
    const auto& v = s.vision;
    const auto& t = s.text;
    std::ofstream(folder / "config.json")
        << R"({"architectures": ["LlavaForConditionalGeneration"], "model_type": "llava", "image_token_index": 766,
 "pad_token_id": 767, "projector_hidden_act": "gelu", "vision_feature_layer": -2, "vision_feature_select_strategy": "default",
 "torch_dtype": ")"
        << (type == "f16"    ? "float16"
            : type == "bf16" ? "bfloat16"
                             : "float32")
        << R"(",
 "text_config": {"model_type": "llama", "hidden_act": "silu", "vocab_size": )"
        << number(t.vocab) << R"(, "hidden_size": )" << number(t.hidden) << R"(, "intermediate_size": )"
        << number(t.ffn) << R"(, "num_hidden_layers": )" << number(t.layers) << R"(, "num_attention_heads": )"
        << number(t.heads) << R"(, "num_key_value_heads": )" << number(t.kv_heads) << R"(, "head_dim": )"
        << number(t.head_dim) << R"(, "max_position_embeddings": )" << number(t.context)
        << R"(, "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "tie_word_embeddings": false, "bos_token_id": 1, "eos_token_id": 2},
 "vision_config": {"model_type": "clip_vision_model", "hidden_act": "quick_gelu", "layer_norm_eps": 1e-05, "hidden_size": )"
        << number(v.hidden) << R"(, "image_size": )" << number(v.image) << R"(, "intermediate_size": )" << number(v.ffn)
        << R"(, "num_attention_heads": )" << number(v.heads) << R"(, "num_hidden_layers": )" << number(v.layers)
        << R"(, "patch_size": )" << number(v.patch) << R"(, "projection_dim": 768}})"
        << "\n";
    std::ofstream(folder / "preprocessor_config.json")
        << R"({"crop_size": {"height": )" << number(v.image) << R"(, "width": )" << number(v.image)
        << R"(}, "do_center_crop": true, "do_convert_rgb": true, "do_normalize": true, "do_rescale": true, "do_resize": true,
 "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3,
 "rescale_factor": 0.00392156862745098, "image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": )"
        << number(v.image) << "}}\n";
  }
};

}  // namespace bench
