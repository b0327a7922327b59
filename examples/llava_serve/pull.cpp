// SPDX-License-Identifier: Apache-2.0
/// llava-serve pull: fetches a model into the Hugging Face cache (docs/checkpoints.md).
#include <llava/checkpoint/checkpoint.hpp>
#include <llava/checkpoint/hub_cache.hpp>
#include <llava/checkpoint/json.hpp>

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "command.hpp"
#include "hub_client.hpp"
#include "hub_store.hpp"
#include "option_rules.hpp"
#include "serve_command.hpp"

namespace {
using llava::errc;
using llava::fail;
using llava::result;
using llava::text_of;

struct pull_options {
  std::string name, revision = "main";
  std::vector<std::string> files;
};

/// Stops a call of the hub when the progress callback says so.
struct asked_to_stop {
  llava::progress_callback report;
  bool stop_requested() const noexcept { return !report(llava::progress{}); }
};

bool has(const std::vector<std::string>& names, const std::string& folder, std::string_view begin,
         std::string_view end) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& n) {
    return n.find('/', folder.size()) == n.npos && n.starts_with(folder + std::string(begin)) && n.ends_with(end);
  });
}

/// Whether the file `name`, in a folder, is one that opening a model reads. Weights in safetensors are preferred.
bool is_needed(const std::vector<std::string>& all, const std::string& folder, std::string_view name) {
  const bool has_model = has(all, folder, "model", ".safetensors");
  const bool has_adapter = has(all, folder, "adapter_model", ".safetensors");
  if (name.ends_with(".safetensors")) return !has_model || !name.starts_with("consolidated");
  if (name.starts_with("pytorch_model")) return !has_model && (name.ends_with(".bin") || name.ends_with(".json"));
  if (name == "adapter_model.bin") return !has_adapter;
  if (name == "mm_projector.bin" || name == "non_lora_trainables.bin") return true;
  if (name == "trainer_state.json") return false;
  return name.ends_with(".json") || name.ends_with(".jinja") || name == "tokenizer.model" || name == "merges.txt";
}

bool is_weights(std::string_view name) { return name.ends_with(".safetensors") || name.ends_with(".bin"); }

result<std::vector<std::string>> try_choose(const pull_options& o, const hub_commit& from) {
  std::string list;
  for (const std::string& wanted : o.files)
    if (std::find(from.files.begin(), from.files.end(), wanted) == from.files.end()) {
      for (const std::string& f : from.files) list += (list.empty() ? "" : ", ") + f;
      return fail(errc::not_found, text_of("llava: ", o.name, " has no file ", wanted, "; it has ", list));
    }
  if (!o.files.empty()) return o.files;
  std::vector<std::string> chosen;
  for (const std::string folder : {"", "sft_model/", "rlhf_lora_adapter_model/"})  // the last two: LLaVA-RLHF's
    for (const std::string& f : from.files)
      if (f.starts_with(folder) && f.find('/', folder.size()) == f.npos &&
          is_needed(from.files, folder, std::string_view(f).substr(folder.size())))
        chosen.push_back(f);
  if (std::any_of(chosen.begin(), chosen.end(), is_weights)) return chosen;
  for (const std::string& f : from.files)
    if (f.ends_with(".gguf")) list += (list.empty() ? "" : ", ") + f;
  return fail(
      errc::not_found,
      text_of("llava: ", o.name, " has no weights as safetensors or .bin",
              list.empty() ? "" : "; choose from its GGUF files with --file, and its mmproj with another: ", list));
}

std::string shown_size(std::uint64_t bytes) {
  char text[32];
  const double b = static_cast<double>(bytes);
  std::snprintf(text, sizeof text,
                b < 1e6   ? "%.0f kB"
                : b < 1e9 ? "%.1f MB"
                          : "%.2f GB",
                b < 1e6   ? b / 1e3
                : b < 1e9 ? b / 1e6
                          : b / 1e9);
  return text;
}

/// Fetches what is missing. Returns the snapshot's folder.
result<std::string> try_pull(const pull_options& o, const hub_client& hub, llava::progress_callback report) {
  if (!llava::detail::looks_like_hub_id(o.name))
    return fail(errc::invalid_argument,
                text_of("llava: '", o.name, "' is not the name of a repository; write ORG/NAME"));
  LLAVA_TRY(commit, hub.try_list(o.name, o.revision));
  LLAVA_TRY(chosen, try_choose(o, commit));
  LLAVA_TRY(store, hub_store::try_open(o.name));
  std::vector<hub_file> files;
  std::uint64_t total = 0, here = 0;
  for (const std::string& name : chosen) {
    LLAVA_TRY(file, hub.try_describe(o.name, commit.id, name));
    total += file.size, here += store.bytes_here(file);
    files.push_back(file);
  }
  std::fprintf(stderr, "llava: %s at %s: %zu files, %s, of which %s are here\n", o.name.c_str(), commit.id.c_str(),
               files.size(), shown_size(total).c_str(), shown_size(here).c_str());
  LLAVA_CHECK(store.try_find_room(total - here));
  std::uint64_t done = 0;
  for (const hub_file& file : files) {
    const auto report_file = [&](std::uint64_t bytes) {
      return report({"fetching", std::min(done + bytes, total), total});
    };
    if (!store.has(file)) LLAVA_CHECK(store.try_fetch(hub, commit.id, file, report_file));
    LLAVA_CHECK(store.try_link(commit.id, file));
    done += file.size;
  }
  LLAVA_CHECK(store.try_set_revision(o.revision, commit.id));
  return store.snapshot(commit.id);
}

/// The vision tower that a folder in LLaVA's layout names, if it is missing; otherwise empty.
std::string missing_tower(const std::string& folder) {
  const auto opened = llava::try_open_checkpoint(folder);
  if (opened || opened.error().code() != errc::not_found) return {};
  const auto text = llava::try_read_text_file(folder + "/config.json");
  const auto root = text ? llava::try_parse_json("config.json", *text) : result<llava::json_value>(text.error());
  const llava::json_value* tower = root && root->is_object() ? root->find("mm_vision_tower") : nullptr;
  if (!tower || !tower->text() || !llava::detail::looks_like_hub_id(*tower->text())) return {};
  return llava::try_resolve_model_folder(*tower->text()) ? std::string() : *tower->text();
}

void run_pull(const pull_options& o) {
  std::string folder;
  do_long_work([&](llava::progress_callback report) -> result<void> {
    LLAVA_TRY(hub, hub_client::try_make(llava::stop_signal(asked_to_stop{report})));
    LLAVA_TRY(pulled, try_pull(o, hub, report));
    folder = pulled;
    if (!o.files.empty()) return {};
    if (const std::string tower = missing_tower(folder); !tower.empty())
      LLAVA_CHECK(try_pull({tower, "main", {}}, hub, report));
    return {};
  });
  for (const std::string& file : o.files) std::printf("%s/%s\n", folder.c_str(), file.c_str());
  if (o.files.empty()) std::printf("%s\n", folder.c_str());
}

}  // namespace

void add_pull(CLI::App& app) {
  CLI::App& command = *app.add_subcommand("pull", "Fetch a model into the Hugging Face cache, and print its folder");
  const auto o = std::make_shared<pull_options>();
  command.add_option("NAME", o->name, "Repository of the model: ORG/NAME")->required();
  command.add_option("--revision", o->revision, "Branch, tag or commit; only main is found by NAME later");
  command.add_option("--file", o->files,
                     "File to fetch, such as a GGUF file, in place of a whole model; may be repeated");
  command.callback([o] { run_pull(*o); });
}
