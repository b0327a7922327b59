// SPDX-License-Identifier: Apache-2.0
/// written_chat_template: a conversation template of LLaVA's programs as a Jinja template, for folders in transformers'
/// layout, which name no template. It builds the same prompt. Images come before the text of their turn, each as
/// "<image>\n", as those programs place them. A system message replaces the system text.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include <llava/base/error.hpp>
#include <llava/text/conversation.hpp>

LLAVA_BEGIN

namespace detail {

/// A text as a string of Jinja.
inline std::string jinja_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out + "\"";
}

/// Sets `system`, `turns` and the macro said(content), and begins the loop over the turns.
inline std::string jinja_start(std::string_view name, const llava::template_texts& t) {
  return text_of("{#- ", name, R"(. A system message takes the place of its own. -#}
{%- macro said(content) %}
    {%- if content is string %}
        {{- content }}
    {%- else %}
        {%- for part in content if part.type == 'image' %}{{ '<image>\n' }}{% endfor %}
        {%- for part in content if part.type == 'text' %}{{ part.text }}{% endfor %}
    {%- endif %}
{%- endmacro %}
{%- set system = )",
                 jinja_string(t.system), R"( %}
{%- set turns = messages %}
{%- if messages and messages[0].role == 'system' %}
    {%- set system = said(messages[0].content) %}
    {%- set turns = messages[1:] %}
{%- endif %}
)");
}

inline std::string jinja_turns(std::string_view name) {
  return text_of(R"({%- for turn in turns %}
    {%- if turn.role not in ['user', 'assistant'] %}
        {{- raise_exception(')",
                 name, R"( has no turns of the role ' ~ turn.role) }}
    {%- endif %}
    {%- set text = said(turn.content) %}
)");
}

/// The end: the role of the answer.
inline std::string jinja_answer(const std::string& role) {
  return text_of("{%- if add_generation_prompt %}\n    {{- ", role, " }}\n{%- endif %}\n");
}

/// Prints the system text behind its role.
inline std::string jinja_system(const llava::template_texts& t, std::string_view separator) {
  return text_of("{{- ", jinja_string(t.system_role), " ~ system ~ ", jinja_string(separator), " }}\n");
}

/// The styles in which every turn begins with its role: `opening` prints the system text; `colon` after the role,
/// `space` before the text, and the separators of even and odd turns.
inline std::string jinja_of_roles(std::string_view name, const llava::template_texts& t, std::string_view opening,
                                  std::string_view colon, std::string_view space, std::string_view even,
                                  std::string_view odd) {
  const std::string user = jinja_string(text_of(t.roles[0], colon)), other = jinja_string(text_of(t.roles[1], colon));
  return text_of(jinja_start(name, t), opening, jinja_turns(name), "    {{- ", user, " if turn.role == 'user' else ",
                 other, " }}\n", "    {%- if text %}\n        {{- ", jinja_string(space), " ~ text ~ (",
                 jinja_string(even), " if loop.index0 % 2 == 0 else ", jinja_string(odd),
                 ") }}\n    {%- endif %}\n{%- endfor %}\n", jinja_answer(other));
}

/// ChatML of LLaVA-NeXT: a newline behind every separator, and no turn for an empty system text.
inline std::string jinja_of_chatml(std::string_view name, const llava::template_texts& t) {
  const std::string end = text_of(t.separator, "\n");
  return jinja_of_roles(name, t, text_of("{%- if system %}\n", jinja_system(t, end), "{%- endif %}\n"), "", "", end,
                        end);
}

/// Llama 3's style: no white space around texts, and no turn without one.
inline std::string jinja_of_llama_3(std::string_view name, const llava::template_texts& t) {
  const std::string user = jinja_string(t.roles[0]), other = jinja_string(t.roles[1]), end = jinja_string(t.separator);
  return text_of(jinja_start(name, t), "{{- ", jinja_string(t.system_role), " ~ (system | trim) ~ ", end, " }}\n",
                 jinja_turns(name), "    {%- if text %}\n        {{- (", user, " if turn.role == 'user' else ", other,
                 ") ~ (text | trim) ~ ", end, " }}\n    {%- endif %}\n{%- endfor %}\n", jinja_answer(other));
}

/// Llama 2's style. The reference strips the separator from the front.
inline std::string jinja_of_instructions(std::string_view name, const llava::template_texts& t) {
  return text_of(jinja_start(name, t), jinja_turns(name), R"(    {%- if loop.first and system %}
        {%- set text = "<<SYS>>\n" ~ system ~ "\n<</SYS>>\n\n" ~ text %}
    {%- endif %}
    {%- if loop.index0 % 2 == 0 %}
        {{- ("" if loop.first else )",
                 jinja_string(t.separator), R"() ~ "[INST] " ~ text ~ " [/INST]" }}
    {%- elif text %}
        {{- " " ~ text ~ " " ~ )",
                 jinja_string(t.separator2), R"( }}
    {%- endif %}
{%- endfor %}
)");
}

}  // namespace detail

/// The Jinja template that builds the prompts of the conversation template `name`; empty for those in which images have
/// a turn of their own, that begin with a demonstration, or that have no answers, and for an unknown name.
inline std::optional<std::string> written_chat_template(std::string_view name) {
  namespace styles = conversation_styles;
  const auto found = any_conversation::try_named(name);
  if (!found) return {};
  const conversation_form& form = found->form();
  const llava::template_texts& t = form.texts;
  if (form.image_turn || !t.demonstration.empty()) return {};
  if (form.prompt == &detail::prompt_in_style<styles::two>)
    return detail::jinja_of_roles(name, t, detail::jinja_system(t, t.separator), ":", " ", t.separator, t.separator2);
  if (form.prompt == &detail::prompt_in_style<styles::single>)
    return detail::jinja_of_roles(name, t, detail::jinja_system(t, t.separator), ":", " ", t.separator, t.separator);
  if (form.prompt == &detail::prompt_in_style<styles::mpt>)
    return detail::jinja_of_roles(name, t, detail::jinja_system(t, t.separator), "", "", t.separator, t.separator);
  if (form.prompt == &detail::prompt_in_style<styles::chatml>) return detail::jinja_of_chatml(name, t);
  if (form.prompt == &detail::prompt_in_style<styles::llama_3>) return detail::jinja_of_llama_3(name, t);
  if (form.prompt == &detail::prompt_in_style<styles::llama_2>) return detail::jinja_of_instructions(name, t);
  return {};
}

LLAVA_END
