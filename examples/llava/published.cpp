// SPDX-License-Identifier: Apache-2.0
#include <llava/models/published.hpp>

#include <llava/text/conversation.hpp>

#include <cstdio>

#include "command.hpp"

bool print_published(std::string_view name) {
  const llava::published_model* m = llava::find_published(name);
  if (!m) return false;
  const auto line = [](const char* what, std::string_view value, std::string_view more = "") {
    std::printf("%-13s %.*s%.*s\n", what, static_cast<int>(value.size()), value.data(), static_cast<int>(more.size()),
                more.data());
  };
  line("name:", m->name);
  line("files:", "neither in a folder nor in the Hugging Face cache");
  line("form:", name_of(m->form));
  line("type:", "llava::", m->type.empty() ? "any" : m->type);
  line("base:", m->base, m->form == llava::published_form::model ? "" : ", to be given with --model-base");
  line("tower:", m->tower.empty() ? "in its files" : m->tower);
  line("conversation:", llava::conversation_of_model(m->name));
  line("licence:", m->licence);
  return true;
}
