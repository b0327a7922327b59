// SPDX-License-Identifier: Apache-2.0
/// llava info: says what a model's files state, or, without files, what a published model is and needs.
#include <llava/checkpoint/checkpoint.hpp>
#include <llava/checkpoint/conversion.hpp>
#include <llava/checkpoint/hub_cache.hpp>
#include <llava/models/published.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "command.hpp"
#include "facts.hpp"
#include "option_rules.hpp"

namespace {

using llava::text_of;
using object = facts::object;

struct info_options {
  std::string name, base;
  llava::gguf_options gguf;
  bool json = false;
};

/// What the path is.
std::string form_of(const llava::checkpoint& c) {
  const llava::model_description& d = c.description;
  if (llava::detail::is_of_gguf(c)) return d.has_vision ? "GGUF, with an mmproj" : "GGUF, a language model alone";
  if (!c.base.empty()) return "an adapter or a projector over its base";
  if (!d.has_vision) return "folder of a language model alone";
  return d.spelling == llava::tensor_spelling::llava_hf ? "folder in transformers' layout (llava-hf)"
                                                        : "folder in LLaVA's own layout (original)";
}

/// The terms that the model's card states, if it is a published one; those that its files state.
void add_licence(const llava::checkpoint& c, facts& to) {
  object licence;
  std::string said;
  if (const llava::published_model* m = llava::find_published(c.description.model_name)) {
    to.add("published as", std::string(m->name));
    to.add("type", m->type.empty() ? "llava::any" : text_of("llava::", m->type));
    said = m->licence;
    set_member(licence, "of_name", m->licence);
  }
  std::string stated, files;
  llava::json_value::array list;
  if (llava::detail::is_of_gguf(c))
    if (const auto file = llava::detail::gguf_part::try_open(c.path))
      if (file->keys().read("general.license", stated) && !stated.empty()) {
        set_member(licence, "of_key", llava::valid_utf8(stated));
        said += text_of(said.empty() ? "" : "; ", "general.license is ", llava::detail::shown(stated));
      }
  const std::string folder =
      llava::detail::is_of_gguf(c) ? llava::detail::folder_of_file(c.path) : llava::detail::words_folder(c);
  auto names = llava::detail::try_names_in(folder);
  if (names) std::sort(names->begin(), names->end());
  for (const std::string& name : names ? *names : std::vector<std::string>())
    if (llava::detail::is_licence_file(name)) {
      list.push_back(llava::json_of(llava::valid_utf8(name)));
      files += text_of(files.empty() ? "" : ", ", llava::detail::shown(name));
    }
  if (!files.empty()) said += text_of(said.empty() ? "" : "; ", "see ", files);
  set_member(licence, "files", llava::json_value(std::move(list)));
  to.add("licence", said.empty() ? "not stated; see where the model was published" : said,
         llava::json_value(std::move(licence)));
}

void add_parts(const llava::checkpoint& c, facts& to) {
  const llava::model_description& d = c.description;
  const llava::text_config& t = d.text;
  object decoder, tower, projector, conversation;
  set_member(decoder, "name", d.decoder);
  set_member(decoder, "family", d.text_family);
  for (const auto& [key, n] : {std::pair("layers", t.layers),
                               {"width", t.hidden},
                               {"heads", t.heads},
                               {"heads_with_keys", t.kv_heads},
                               {"context", t.context},
                               {"rows", t.vocab}})
    set_member(decoder, key, n);
  to.add(
      "decoder",
      text_of(d.decoder, ", ", t.layers, " layers of ", t.hidden, ", ", t.heads, " heads, ", t.kv_heads,
              " of them with keys, context ", t.context, ", family ", d.text_family, ", ", t.vocab, " rows of tokens"),
      llava::json_value(std::move(decoder)));
  if (d.has_vision) {
    const llava::vision_config& v = d.vision;
    for (const auto& [key, n] : {std::pair("layers_run", v.layers_run()),
                                 {"layers", v.layers},
                                 {"width", v.hidden},
                                 {"pixels", v.input()},
                                 {"features", v.features()}})
      set_member(tower, key, n);
    to.add("tower",
           text_of(v.layers_run(), " of ", v.layers, " layers of ", v.hidden, ", ", v.input(), " pixels, ",
                   v.features(), " features"),
           llava::json_value(std::move(tower)));
    to.add("projector", d.projector_type);
    to.add("resolution", d.image.tiling.count > 0 ? text_of("any, ", d.image.tiling.count, " canvases") : "one square",
           d.image.tiling.count);
    to.add("videos", d.has_video ? "yes" : "no", d.has_video);
  } else {
    to.add("tower", "none: a model of text", llava::json_value());
  }
  to.add("tokens", std::to_string(c.tokenizer.size()), static_cast<std::int64_t>(c.tokenizer.size()));
  const llava::conversation_choice& choice = d.conversation;
  const std::string name = choice.name.empty() ? "the model type's" : choice.name;
  set_member(conversation, "name", name);
  set_member(conversation, "reason", llava::valid_utf8(choice.reason));
  set_member(conversation, "guessed", choice.guessed);
  to.add("conversation", text_of(name, " (", choice.reason, ")"), llava::json_value(std::move(conversation)));
}

/// The sizes of the weights, by the types in which the files have them.
void add_weights(const llava::checkpoint& c, facts& to) {
  struct size {
    std::uint64_t tensors = 0, bytes = 0, as_f16 = 0;
  };
  std::map<std::string, size> kept, opened, plain, computed;
  const bool tied = c.description.text.tied;
  std::uint64_t all = 0;
  const auto add_size = [](size& s, std::uint64_t bytes, const llava::stored_tensor& t) {
    std::uint64_t values = static_cast<std::uint64_t>(t.columns());
    if (!t.dims.empty()) values *= t.dims[0];
    ++s.tensors, s.bytes += bytes, s.as_f16 += 2 * values;
  };
  c.tensors.for_each([&](const std::string& name, const llava::stored_tensor& t) {
    const bool is_table = name == "text.embed_tokens.weight", keeps = t.rows && !t.rows->coded_as().empty();
    all += t.rows ? t.stored_bytes : t.bytes.size();
    if (!t.stored_type.empty() && keeps && (!is_table || tied))
      add_size(kept[std::string(t.stored_type)], t.stored_bytes, t);
    if (!t.packed_as.empty() || (!t.stored_type.empty() && (!keeps || is_table)))
      add_size(opened[std::string(t.packed_as.empty() ? t.stored_type : t.packed_as)], t.stored_bytes, t);
    if (!t.stored_type.empty() || !t.packed_as.empty()) return;
    if (t.rows)
      add_size(computed[std::string(t.rows->coded_as().empty() ? name_of(t.type) : t.rows->coded_as())], 0, t);
    else
      add_size(plain[t.format.empty() ? std::string(name_of(t.type)) : t.format], t.bytes.size(), t);
  });
  const auto say = [&](const std::map<std::string, size>& sizes, const char* how, auto&& text) {
    for (const auto& [type, s] : sizes) {
      object o;
      set_member(o, "type", type);
      set_member(o, "how", how);
      set_member(o, "tensors", bytes_in_json(s.tensors));
      set_member(o, "bytes", bytes_in_json(s.bytes));
      set_member(o, "bytes_in_f16", bytes_in_json(s.as_f16));
      to.add_to("weights", text(type, s), std::move(o));
    }
  };
  to.add("stored", text_of(all, " bytes of weights"), bytes_in_json(all));
  say(plain, "stored", [](const std::string& type, const size& s) { return text_of(s.bytes, " bytes of ", type); });
  say(kept, "kept", [](const std::string& type, const size& s) {
    return text_of(s.bytes, " bytes of ", type, ", kept in format ggml");
  });
  say(opened, "opened as f16", [](const std::string& type, const size& s) {
    return text_of(s.bytes, " bytes of ", type, ", opened as ", s.as_f16, " bytes of f16");
  });
  say(computed, "computed", [](const std::string& type, const size& s) {
    return text_of(s.tensors, " tensors of ", type, ", computed while they are read");
  });
}

facts facts_of(const llava::checkpoint& c) {
  facts f;
  f.add("folder", c.path);
  f.add("form", form_of(c));
  if (!c.base.empty()) f.add("base", c.base);
  add_licence(c, f);
  add_parts(c, f);
  add_weights(c, f);
  add_memory(c, f);
  return f;
}

void info(const info_options& o) {
  std::optional<facts> found;
  if (o.base.empty() && !llava::try_resolve_model_folder(o.name)) found = published_facts(o.name);
  if (!found) found = facts_of(value_or_give_up(llava::try_open_checkpoint(o.name, o.base, o.gguf)));
  print(o.json ? found->json() : found->text());
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
  command.add_flag("--json", o->json, "Print one JSON object instead of text");
  command.callback([o] { info(*o); });
}
