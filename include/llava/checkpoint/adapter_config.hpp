// SPDX-License-Identifier: Apache-2.0
/// adapter_config: what adapter_config.json of a PEFT adapter states about the tensors beside it. Settings that change
/// the result and are not supported are errors that name the key.
#pragma once
#include <algorithm>
#include <cmath>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/checkpoint/json.hpp>
#include <llava/text/shown.hpp>

LLAVA_BEGIN

/// The settings of a LoRA adapter.
struct adapter_config {
  std::string base;              ///< base_model_name_or_path
  int rank = 8;                  ///< r
  double alpha = 8;              ///< lora_alpha
  bool rank_stabilised = false;  ///< rsLoRA: the scale is alpha / √r
  bool dora = false;
  std::vector<std::pair<std::string, int>> ranks;      ///< rank_pattern: the last parts of a module's name, its r
  std::vector<std::pair<std::string, double>> alphas;  ///< alpha_pattern: the same for lora_alpha

  int rank_of(std::string_view module) const { return found_in(ranks, module, rank); }
  float scale_of(std::string_view module) const {
    const double r = rank_of(module);
    return static_cast<float>(found_in(alphas, module, alpha) / (rank_stabilised ? std::sqrt(r) : r));
  }

 private:
  /// The value of the first pattern that is the module's name or the end of it, from a dot on.
  template <class T>
  static T found_in(const std::vector<std::pair<std::string, T>>& patterns, std::string_view module, T usual) {
    for (const auto& [end, value] : patterns)
      if (module == end ||
          (module.size() > end.size() && module.ends_with(end) && module[module.size() - end.size() - 1] == '.'))
        return value;
    return usual;
  }
};

namespace detail {

/// Reads an object of module names and numbers. PEFT takes the names as regular expressions; here they are texts.
template <class T>
result<void> try_read_pattern(const json_object& root, const char* key, std::vector<std::pair<std::string, T>>& to) {
  // Each module is compared with each name.
  constexpr std::size_t most = 4096;
  constexpr std::string_view expected = "an object of at most 4096 names of modules, and positive numbers up to 65536";
  const json_value* const members = root.find(key);
  if (!members) return {};
  if (!members->is_object() || members->members().size() > most) return root.wrong(key, expected);
  for (const auto& [name, value] : members->members()) {
    if (name.find_first_of("\\^$*+?()[]{}|") != std::string::npos)
      return root.unsupported(key, "a regular expression, " + name, "names of modules");
    if (!value.number() || !(*value.number() > 0 && *value.number() <= 65536)) return root.wrong(key, expected);
    const auto number = static_cast<T>(*value.number());
    if (static_cast<double>(number) < *value.number()) return root.wrong(key, "an object of module names and integers");
    to.emplace_back(name, number);
  }
  return {};
}

/// Refuses settings that change the weights in ways that this library does not compute.
inline result<void> try_confirm_plain_lora(const json_object& root, const json_value& settings) {
  std::string kind = "LORA";
  LLAVA_CHECK(root.read("peft_type", kind));
  if (kind != "LORA") return root.unsupported("peft_type", kind, "LORA");
  // What training needs, and what is read below. PEFT adds a method under a key of its own, so every other key that is
  // set is a change that this library does not know.
  constexpr std::string_view known[] = {"alpha_pattern",
                                        "auto_mapping",
                                        "base_model_name_or_path",
                                        "bias",
                                        "ensure_weight_tying",
                                        "exclude_modules",
                                        "fan_in_fan_out",
                                        "inference_mode",
                                        "init_lora_weights",
                                        "layers_pattern",
                                        "layers_to_transform",
                                        "loftq_config",
                                        "lora_alpha",
                                        "lora_dropout",
                                        "megatron_core",
                                        "modules_to_save",
                                        "peft_type",
                                        "peft_version",
                                        "qalora_group_size",
                                        "r",
                                        "rank_pattern",
                                        "revision",
                                        "runtime_config",
                                        "target_modules",
                                        "task_type",
                                        "use_dora",
                                        "use_rslora"};
  for (const auto& [key, v] : settings.members()) {
    if (std::find(std::begin(known), std::end(known), key) != std::end(known)) continue;
    if (v.is_null() || (v.boolean() && !*v.boolean()) || (v.is_array() && v.items().empty()) ||
        (v.is_object() && v.members().empty()))
      continue;
    return root.unsupported(shown(key).c_str(), "set",
                            "none; merge the adapter into its model with peft (merge_and_unload)");
  }
  // These methods change the base's weights too, so that the adapter does not fit the published base.
  if (const json_value* how = root.find("init_lora_weights"); how && how->text())
    for (const std::string_view name : {"pissa", "olora", "corda", "loftq"})
      if (how->text()->starts_with(name))
        return root.unsupported("init_lora_weights", *how->text(),
                                "true, false, gaussian or eva; convert the adapter with peft (save_pretrained with "
                                "path_initial_model_for_weight_conversion)");
  return {};
}

}  // namespace detail

/// Reads a folder's adapter_config.json.
inline result<adapter_config> try_read_adapter_config(const std::string& folder) {
  return guarded([&]() -> result<adapter_config> {
    LLAVA_TRY(json, json_document::try_read(folder + "/adapter_config.json"));
    const json_object root = json.root();
    LLAVA_CHECK(detail::try_confirm_plain_lora(root, json.value()));
    adapter_config c;
    LLAVA_CHECK(root.read("base_model_name_or_path", c.base));
    LLAVA_CHECK(root.read("r", c.rank));
    LLAVA_CHECK(root.read("lora_alpha", c.alpha));
    LLAVA_CHECK(root.read("use_rslora", c.rank_stabilised));
    LLAVA_CHECK(root.read("use_dora", c.dora));
    LLAVA_CHECK(detail::try_read_pattern(root, "rank_pattern", c.ranks));
    LLAVA_CHECK(detail::try_read_pattern(root, "alpha_pattern", c.alphas));
    if (c.rank < 1 || c.rank > 65536) return root.wrong("r", "1 to 65536");
    if (!(c.alpha >= -1e6 && c.alpha <= 1e6)) return root.wrong("lora_alpha", "a number between -1e6 and 1e6");
    return result<adapter_config>(std::move(c));
  });
}

LLAVA_END
