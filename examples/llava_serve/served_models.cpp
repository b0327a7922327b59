// SPDX-License-Identifier: Apache-2.0
#include "served_models.hpp"

#include <llava/pipeline/opened_model.hpp>

#include <algorithm>
#include <string_view>
#include <utility>

#include "option_rules.hpp"

namespace {

constexpr std::string_view no_file = "none";  // holds the place of a model that has no such file
constexpr int least_kv_tokens = 64, most_kv_tokens = 1 << 24;

llava::error wrong(const auto&... words) {
  return llava::fail(llava::errc::invalid_argument, llava::text_of("llava: ", words...));
}

std::string last_part(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path.substr(path.rfind('/') + 1);
}

std::string kv_tokens_in_range(std::string& text) {
  const CLI::Range range(least_kv_tokens, most_kv_tokens);
  if (text == "0" || range(text).empty()) return {};
  return "expected 0 or " + std::to_string(least_kv_tokens) + " to " + std::to_string(most_kv_tokens) + ", found " +
         text;
}

}  // namespace

void served_models::add_to(CLI::App& command) {
  command
      .add_option("--model-path", paths_,
                  "Folder or GGUF file of a model, or its name in the Hugging Face cache; may be repeated")
      ->required();
  command.add_option("--model-name", names_,
                     "Name of the model in requests; may be repeated, as --model-path; default: the path's last part");
  command.add_option("--model-base", bases_,
                     "The model under an adapter, a projector alone or a delta; may be repeated, as --model-path; "
                     "none: this model has none");
  command.add_option("--mmproj", projectors_,
                     "GGUF file of the vision tower; may be repeated, as --model-path; none or default: the one beside "
                     "the model");
  command.add_option("--packed-file", packed_files_,
                     "Packed file of quantised weights, for faster starts; written if absent; may be repeated, as "
                     "--model-path; none: this model has none");
  all_.add_weights_to(command);
  command.add_option("--conv-mode", all_.conversation, "Conversation template of all models; default: the folder's");
  command.add_option("--cache-folder", open_.cache_folder,
                     "Folder for image tokens and the KV cache, which the next start finds there; default: none");
  command.add_option("--cache-gigabytes", cache_gigabytes_, "Size that the folder may have")
      ->check(CLI::Range(0.001, 1e6));
  command
      .add_option("--kv-tokens", open_.kv_tokens, "Tokens of each model's KV cache; 0: at least the model's context")
      ->check(CLI::Validator(kv_tokens_in_range, ""));
  command.add_option("--max-sequences", open_.max_sequences, "Answers that a model computes at one time")
      ->check(CLI::Range(1, 1024));
  command
      .add_option("--prompt-lookup", open_.prompt_lookup,
                  "Most tokens that a step guesses from an answer's own text; the answers are the same; 0: none")
      ->check(CLI::Range(0, 8));
}

llava::result<std::vector<served_model_options>> served_models::try_list() const {
  for (const auto& [option, values] : {std::pair("--model-name", &names_), std::pair("--model-base", &bases_),
                                       std::pair("--mmproj", &projectors_), std::pair("--packed-file", &packed_files_)})
    if (values->size() > paths_.size())
      return wrong(option, " has ", values->size(), " values, but --model-path ", paths_.size(), ": ", values->back(),
                   " belongs to no model");
  std::vector<served_model_options> list;
  for (std::size_t i = 0; i < paths_.size(); ++i) {
    const auto file = [&](const std::vector<std::string>& files) {
      return i < files.size() && files[i] != no_file ? files[i] : std::string();
    };
    served_model_options one{i < names_.size() ? names_[i] : last_part(paths_[i]), all_};
    one.model.path = paths_[i];
    one.model.base = file(bases_), one.model.mmproj = file(projectors_), one.model.packed_file = file(packed_files_);
    for (const served_model_options& other : list) {
      if (other.name == one.name)
        return wrong(other.model.path, " and ", one.model.path, " would both be called ", one.name,
                     " in requests; name each model with --model-name");
      if (!one.model.packed_file.empty() && other.model.packed_file == one.model.packed_file)
        return wrong("--packed-file ", one.model.packed_file, " is given for two models; each needs a file of its own");
    }
    list.push_back(std::move(one));
  }
  return list;
}

llava::result<llava::chat_model> served_models::try_open(const served_model_options& one,
                                                         llava::hook<bool(const llava::progress&)> report) const {
  llava::open_options options = open_;
  options.cache_folder_bytes = static_cast<std::uint64_t>(cache_gigabytes_ * 1e9);
  options.report = std::move(report);
  LLAVA_TRY(model, one.model.try_open(std::move(options)));
  one.model.warn_of_guess(model);
  const int image = model.shared()->shapes().image_tokens, needed = image + least_kv_tokens;
  if (open_.kv_tokens > 0 && image > 0 && open_.kv_tokens < needed)
    return wrong("--kv-tokens ", open_.kv_tokens, " has no room for a question about an image, which takes ", image,
                 " tokens of ", one.name, "; give at least ", needed);
  return std::move(model);
}
