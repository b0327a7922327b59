// SPDX-License-Identifier: Apache-2.0
/// llava info: says what a model's files state, or, without files, what a published model is and needs.
#include <llava/checkpoint/checkpoint.hpp>
#include <llava/checkpoint/hub_cache.hpp>
#include <llava/models/published.hpp>

#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <utility>

#include "command.hpp"

namespace {

struct info_options {
  std::string name, base;
  llava::gguf_options gguf;
};

void say(std::string_view what, const std::string& value) {
  std::printf("%-13s %s\n", llava::text_of(what, ":").c_str(), value.c_str());
}

void say_checkpoint(const llava::checkpoint& c) {
  const llava::model_description& d = c.description;
  say("folder", c.path);
  if (!c.base.empty()) say("base", c.base);
  if (const llava::published_model* m = llava::find_published(d.model_name)) {
    say("published as", std::string(m->name));
    say("type", m->type.empty() ? "llava::any" : llava::text_of("llava::", m->type));
    say("licence", std::string(m->licence));
  }
  say("decoder", llava::text_of(d.decoder, ", ", d.text.layers, " layers of ", d.text.hidden, ", ", d.text.heads,
                                " heads, ", d.text.kv_heads, " of them with keys, context ", d.text.context));
  if (d.has_vision) {
    say("tower", llava::text_of(d.vision.layers_run(), " of ", d.vision.layers, " layers of ", d.vision.hidden, ", ",
                                d.vision.input(), " pixels, ", d.vision.features(), " features"));
    say("projector", d.projector_type);
  } else {
    say("tower", "none: a model of text");
  }
  say("tokens", std::to_string(c.tokenizer.size()));
  say("conversation", llava::text_of(d.conversation.name.empty() ? "the model type's" : d.conversation.name, " (",
                                     d.conversation.reason, ")"));
  std::map<std::string, std::uint64_t> bytes, computed;                   // computed: number of tensors
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> as_f16;  // bytes stored, bytes in memory
  c.tensors.for_each([&](const std::string& name, const llava::stored_tensor& t) {
    const bool is_table = name == "text.embed_tokens.weight", keeps = t.rows && !t.rows->coded_as().empty();
    if (!t.stored_type.empty() && keeps && (!is_table || d.text.tied))
      bytes[llava::text_of(t.stored_type, ", kept in format ggml")] += t.stored_bytes;
    if (!t.packed_as.empty() || (!t.stored_type.empty() && (!keeps || is_table))) {
      auto& [stored, opened] = as_f16[std::string(t.packed_as.empty() ? t.stored_type : t.packed_as)];
      stored += t.stored_bytes;
      opened += 2 * t.dims[0] * static_cast<std::uint64_t>(t.columns());
    }
    if (!t.stored_type.empty() || !t.packed_as.empty()) return;
    if (t.rows)
      ++computed[std::string(t.rows->coded_as().empty() ? name_of(t.type) : t.rows->coded_as())];
    else
      bytes[t.format.empty() ? std::string(name_of(t.type)) : t.format] += t.bytes.size();
  });
  for (const auto& [type, count] : bytes) say("weights", llava::text_of(count, " bytes of ", type));
  for (const auto& [type, sizes] : as_f16)
    say("weights", llava::text_of(sizes.first, " bytes of ", type, ", opened as ", sizes.second, " bytes of f16"));
  for (const auto& [type, count] : computed)
    say("weights", llava::text_of(count, " tensors of ", type, ", computed while they are read"));
}

void info(const info_options& o) {
  if (o.base.empty() && !llava::try_resolve_model_folder(o.name) && print_published(o.name)) return;
  say_checkpoint(value_or_give_up(llava::try_open_checkpoint(o.name, o.base, o.gguf)));
}

}  // namespace

void add_info(CLI::App& app) {
  CLI::App& command = *app.add_subcommand("info", "Say what a model is, and what it needs");
  const auto o = std::make_shared<info_options>();
  command
      .add_option(
          "MODEL,--model-path", o->name,
          "Folder or GGUF file of the model, its name in the Hugging Face cache, or the name of a published one")
      ->required();
  command.add_option("--model-base", o->base, "The model under an adapter, a projector alone or a delta");
  command.add_option("--mmproj", o->gguf.mmproj, "GGUF file of the vision tower; default: the one beside the model");
  command.callback([o] { info(*o); });
}
