// SPDX-License-Identifier: Apache-2.0
/// The models of `llava serve`: their options, which are checked before anything is loaded.
#pragma once
#include <llava/chat_model.hpp>

#include <string>
#include <vector>

#include "command.hpp"

/// A model to open, and its name in requests.
struct served_model_options {
  std::string name;
  model_options model;
};

/// --model-path, --model-name and the options of each model, in the order of the paths; the options of all models.
class served_models {
 public:
  void add_to(CLI::App& command);

  /// The models in the order of their paths. Errors: more values of an option than models; two models with one name or
  /// one packed file.
  llava::result<std::vector<served_model_options>> try_list() const;

  /// Opens one of them. `report` returns false to cancel. Errors: its cache has no room for a question about an image.
  llava::result<llava::chat_model> try_open(const served_model_options& one,
                                            llava::hook<bool(const llava::progress&)> report) const;
  /// Whether the models have a folder that keeps their caches.
  bool keeps_cache() const { return !open_.cache_folder.empty(); }

 private:
  std::vector<std::string> paths_, names_, bases_, projectors_, packed_files_;
  model_options all_;         // what holds for each model
  llava::open_options open_;  // the same
  double cache_gigabytes_ = 8;
};
