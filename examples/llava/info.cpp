// SPDX-License-Identifier: Apache-2.0
/// llava info: says what a model's files state, or, without files, what a published model is and needs.
#include <llava/checkpoint/checkpoint.hpp>
#include <llava/checkpoint/hub_cache.hpp>
#include <llava/models/published.hpp>

#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>

#include "command.hpp"

namespace {

void say(std::string_view what, const std::string& value) {
  std::printf("%-13s %s\n", llava::text_of(what, ":").c_str(), value.c_str());
}

void say_checkpoint(const llava::checkpoint& c) {
  const llava::model_description& d = c.description;
  say("folder", c.path);
  if (const llava::published_model* m = llava::find_published(d.model_name)) {
    say("published as", std::string(m->name));
    say("type", m->type.empty() ? "llava::any" : llava::text_of("llava::", m->type));
  }
  say("decoder", llava::text_of(d.decoder, ", ", d.text.layers, " layers of ", d.text.hidden, ", ", d.text.heads,
                                " heads, ", d.text.kv_heads, " of them with keys, context ", d.text.context));
  if (d.has_vision) {
    say("tower", llava::text_of(d.vision.layers_run(), " of ", d.vision.layers, " layers of ", d.vision.hidden, ", ",
                                d.vision.image, " pixels, ", d.vision.features(), " features"));
    say("projector", d.projector_type);
  } else {
    say("tower", "none: a model of text");
  }
  say("tokens", std::to_string(c.tokenizer.size()));
  say("conversation", llava::text_of(d.conversation.name.empty() ? "the model type's" : d.conversation.name, " (",
                                     d.conversation.reason, ")"));
  std::map<std::string, std::uint64_t> bytes;
  c.tensors.for_each([&](const std::string&, const llava::stored_tensor& t) {
    bytes[t.format.empty() ? std::string(name_of(t.type)) : t.format] += t.bytes.size();
  });
  for (const auto& [type, count] : bytes) say("weights", llava::text_of(count, " bytes of ", type));
}

void info(const std::string& name) {
  if (!llava::try_resolve_model_folder(name) && print_published(name)) return;
  say_checkpoint(value_or_give_up(llava::try_open_checkpoint(name)));
}

}  // namespace

void add_info(CLI::App& app) {
  CLI::App& command = *app.add_subcommand("info", "Say what a model is, and what it needs");
  const auto name = std::make_shared<std::string>();
  command
      .add_option("MODEL,--model-path", *name,
                  "Folder of the model, its name in the Hugging Face cache, or the name of a published model")
      ->required();
  command.callback([name] { info(*name); });
}
