// SPDX-License-Identifier: Apache-2.0
#include <llava/checkpoint/describe.hpp>

#include <llava_catch.hpp>
#include <temporary_folder.hpp>

namespace {

/// A config.json with the keys of mosaicml/mpt-7b-chat.
const std::string mpt_7b =
    R"({"architectures": ["MPTForCausalLM"], "attn_config": {"alibi": true, "alibi_bias_max": 8, "attn_impl": "torch",
    "attn_pdrop": 0, "attn_type": "multihead_attention", "attn_uses_sequence_id": false, "clip_qkv": null, "prefix_lm": false,
    "qk_ln": false, "softmax_scale": null}, "d_model": 4096, "emb_pdrop": 0, "embedding_fraction": 1.0, "expansion_ratio": 4,
    "init_device": "cpu", "learned_pos_emb": true, "logit_scale": null, "max_seq_len": 2048, "model_type": "mpt", "n_heads": 32,
    "n_layers": 32, "no_bias": true, "norm_type": "low_precision_layernorm", "resid_pdrop": 0, "use_cache": false,
    "vocab_size": 50432})";

llava::result<llava::model_description> described(temporary_folder& f, const std::string& config) {
  f.write("config.json", config);
  return llava::try_describe_model(f.path.string());
}

}  // namespace

TEST_CASE("MPT: the keys of its config.json are read, and those absent have transformers' defaults") {
  temporary_folder f("mpt");
  const auto d = described(f, mpt_7b);
  if (!d) FAIL(d.error().what());
  CHECK(d->decoder == "mpt");
  CHECK(d->text_activation == "gelu");
  CHECK(d->spelling == llava::tensor_spelling::mpt);
  CHECK(d->prompt == llava::prompt_rule::tokenizer);
  CHECK(d->text.hidden == 4096);
  CHECK(d->text.heads == 32);
  CHECK(d->text.kv_heads == 32);
  CHECK(d->text.head_dim == 128);
  CHECK(d->text.layers == 32);
  CHECK(d->text.ffn == 16384);
  CHECK(d->text.context == 2048);
  CHECK(d->text.vocab == 50432);
  CHECK(d->text.eps == 1e-5f);
  CHECK(d->text.alibi == 8.f);
  CHECK(d->text.tied);
  CHECK(d->eos.empty());  // no default, unlike LLaMA's

  const auto usual = described(f, R"({"model_type": "mpt"})");
  if (!usual) FAIL(usual.error().what());
  CHECK(usual->text.hidden == 2048);
  CHECK(usual->text.heads == 16);
  CHECK(usual->text.layers == 24);
  CHECK(usual->text.ffn == 8192);
  CHECK(usual->text.vocab == 50368);
  CHECK(usual->text.alibi == 8.f);
}

TEST_CASE("R1: MPT: what the decoder lacks and wrong numbers are errors that name file and key") {
  temporary_folder f("mpt_refused");
  for (const auto& [from, to, fragment] : {
           std::tuple{"\"alibi\": true", "\"alibi\": false", "\"attn_config.alibi\" is false, expected true"},
           {"\"qk_ln\": false", "\"qk_ln\": true", "\"attn_config.qk_ln\" is true, expected false"},
           {"\"prefix_lm\": false", "\"prefix_lm\": true", "\"attn_config.prefix_lm\" is true, expected false"},
           {"\"clip_qkv\": null", "\"clip_qkv\": 6", "\"attn_config.clip_qkv\" is set, expected null"},
           {"\"softmax_scale\": null", "\"softmax_scale\": 0.1", "\"attn_config.softmax_scale\" is set, expected null"},
           {"\"multihead_attention\"", "\"multiquery_attention\"",
            "\"attn_config.attn_type\" is multiquery_attention, expected multihead_attention"},
           {"\"alibi_bias_max\": 8", "\"alibi_bias_max\": 0",
            "\"attn_config.alibi_bias_max\" must be a positive number"},
           {"\"alibi_bias_max\": 8", "\"alibi_bias_max\": 65", "text.alibi must be between 0 (no ALiBi) and 64"},
           {"\"logit_scale\": null", "\"logit_scale\": \"inv_sqrt_d_model\"", "\"logit_scale\" is set, expected null"},
           {"\"no_bias\": true", "\"no_bias\": false", "\"no_bias\" is false, expected true"},
           {"\"low_precision_layernorm\"", "\"rmsnorm\"",
            "\"norm_type\" is rmsnorm, expected low_precision_layernorm or layernorm"},
           {"\"n_heads\": 32", "\"n_heads\": 0", "\"n_heads\" must be a positive divisor of d_model (4096)"},
           {"\"n_heads\": 32", "\"n_heads\": 33", "\"n_heads\" must be a positive divisor of d_model (4096)"},
           {"\"d_model\": 4096", "\"d_model\": -4096", "text.hidden must be"},
           {"\"expansion_ratio\": 4", "\"expansion_ratio\": 0", "\"expansion_ratio\" must be at least 1"},
           {"\"expansion_ratio\": 4", "\"expansion_ratio\": 2147483647", "text.ffn must be"},
           {"\"n_layers\": 32", "\"n_layers\": 0", "text.layers must be"},
           {"\"max_seq_len\": 2048", "\"max_seq_len\": 0", "text.context must be"},
       }) {
    INFO(to);
    const std::string changed = replaced(mpt_7b, from, to);
    REQUIRE_FALSE(changed.empty());
    const auto d = described(f, changed);
    REQUIRE_FALSE(d);
    INFO(d.error().sentence());
    CHECK(d.error().sentence().find(fragment) != std::string::npos);
    CHECK(d.error().sentence().find(f / "config.json") != std::string::npos);
  }
  const auto inside = described(f, R"({"model_type": "llava", "text_config": {"model_type": "mpt"}})");
  REQUIRE_FALSE(inside);
  CHECK(inside.error().sentence().find("is mpt, expected llama, mistral or qwen2 in this layout") != std::string::npos);
}
