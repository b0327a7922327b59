// SPDX-License-Identifier: Apache-2.0
/// llava chat: a conversation about images, with the options of the reference's cli.
#include <unistd.h>
#include <llava/checkpoint/folder_conversation.hpp>

#include <memory>
#include <utility>

#include "chat_command.hpp"
#include "chat_signals.hpp"
#include "option_rules.hpp"

namespace {

int chat(chat_options& o) {
  o.settings.model_name = llava::detail::name_of_folder(o.model.path);
  const llava::chat_model model = value_or_give_up(o.model.try_open_to_ask());
  dialogue talk(model, o.settings);
  for (const std::string& image : o.images) value_or_give_up(talk.try_attach(image));
  if (o.json || isatty(STDIN_FILENO) != 0) chat_signals::install();  // otherwise Ctrl-C ends the program
  return o.json ? run_json_chat(talk) : run_chat(talk, o);
}

}  // namespace

void add_chat(CLI::App& app) {
  CLI::App& command = *app.add_subcommand("chat", "Talk about images, in a terminal or with a script");
  const auto o = std::make_shared<chat_options>();
  o->settings.generation.temperature = 0.2f;  // the reference's defaults; other settings are the folder's
  o->settings.generation.max_new_tokens = 512;
  o->model.add_to(command);
  command.add_option("--image-file", o->images,
                     "Image for the first question, a file or a data: URL; may be repeated; default: none");
  add_generation_options(command, o->settings.generation);
  command.add_option("--device", "cpu")->check(CLI::IsMember({"cpu"}))->default_str("cpu");
  auto* const json = command.add_flag("--json", o->json, "Take and give lines of JSON, for scripts (docs/chat.md)");
  command.add_flag("--verbose", o->verbose, "Say after each answer how long it took")->excludes(json);
  command.add_flag("--debug", o->debug, "Print prompt and answer with their special tokens")->excludes(json);
  command.callback([o] {
    if (const int code = chat(*o); code != 0) throw CLI::RuntimeError(code);
  });
}
