// SPDX-License-Identifier: Apache-2.0
/// llava chat, batch, serve, controller, worker, register-worker, test-message, web, pull: become `llava-serve`, which
/// lies beside this program. That is a program of its own, so that this one needs no network library.
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "command.hpp"
#include "option_rules.hpp"

namespace {

/// Returns the name of a program beside this one.
llava::result<std::string> try_find_beside(const std::string& name) {
  std::string self(4096, '\0');
  const auto length = ::readlink("/proc/self/exe", self.data(), self.size());
  if (length < 0) return llava::fail_of_system(errno, "llava: cannot find the folder of this program");
  self.resize(static_cast<std::size_t>(length));
  const std::string found = self.substr(0, self.rfind('/') + 1) + name;
  if (::access(found.c_str(), X_OK) != 0)
    return llava::fail(llava::errc::not_found,
                       llava::text_of("llava: there is no program ", found, "; build the target llava_serve_command"));
  return found;
}

void become(const std::string& name, std::vector<std::string> words) {
  const std::string program = value_or_give_up(try_find_beside("llava-serve"));
  words.insert(words.begin(), {program, name});
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  ::execv(program.c_str(), arguments.data());
  give_up(llava::fail_of_system(errno, "llava: cannot start ", program));
}

void add_program(CLI::App& app, const std::string& name, const std::string& about) {
  CLI::App& command = *app.add_subcommand(name, about);
  command.set_help_flag();  // all options are those of the other program
  command.prefix_command();
  command.callback([&command, name] { become(name, command.remaining()); });
}

}  // namespace

void add_serve(CLI::App& app) {
  add_program(app, "chat", "Talk about images, in a terminal or with a script");
  add_program(app, "batch", "Answer the questions of a file");
  add_program(app, "serve", "Answer over HTTP, with OpenAI's API");
  add_program(app, "controller", "LLaVA's controller: sends requests to workers");
  add_program(app, "worker", "LLaVA's model worker");
  add_program(app, "register-worker", "Tell a controller of a worker");
  add_program(app, "test-message", "Ask a controller or a worker one question");
  add_program(app, "web", "A web page for the models behind a controller");
  add_program(app, "pull", "Fetch a model into the Hugging Face cache");
}
