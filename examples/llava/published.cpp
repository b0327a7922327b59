// SPDX-License-Identifier: Apache-2.0
#include <llava/models/published.hpp>

#include <llava/text/conversation.hpp>

#include "command.hpp"
#include "facts.hpp"

std::optional<facts> published_facts(std::string_view name) {
  const llava::published_model* m = llava::find_published(name);
  if (!m) return {};
  facts f;
  f.add("name", std::string(m->name));
  f.add("files", "neither in a folder nor in the Hugging Face cache", llava::json_value());
  f.add("form", std::string(name_of(m->form)));
  f.add("type", llava::text_of("llava::", m->type.empty() ? "any" : m->type));
  const bool is_given = m->form != llava::published_form::model;
  f.add("base", llava::text_of(m->base, is_given ? ", to be given with --model-base" : ""), m->base);
  f.add("tower", std::string(m->tower.empty() ? "in its files" : m->tower),
        m->tower.empty() ? llava::json_value() : llava::json_of(m->tower));
  f.add("conversation", std::string(llava::conversation_of_model(m->name)));
  f.add("licence", std::string(m->licence));
  return f;
}
