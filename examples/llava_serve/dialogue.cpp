// SPDX-License-Identifier: Apache-2.0
#include "dialogue.hpp"

#include <sys/stat.h>
#include <unistd.h>
#include <llava/checkpoint/json.hpp>
#include <llava/checkpoint/new_file.hpp>
#include <llava/checkpoint/written_json.hpp>
#include <llava/pipeline/opened_model.hpp>
#include <llava/pipeline/prompt.hpp>

#include <cerrno>
#include <cstdio>
#include <iterator>
#include <utility>

#include "chat_signals.hpp"
#include "command.hpp"
#include "messages.hpp"

namespace {

/// The beginning of our files, by which they are recognised.
constexpr std::string_view start_of_file = "{\"metadata\": {\"program\": \"llava chat\"}, ";
constexpr std::size_t longest_file = std::size_t{1} << 30;

bool is_regular_or_absent(const std::string& file) {
  struct stat about {};
  return ::stat(file.c_str(), &about) != 0 || S_ISREG(about.st_mode);
}

/// Writes a complete file beside the name, and then gives it the name.
llava::result<void> try_replace(const std::string& file, std::string_view text) {
  LLAVA_TRY(made, llava::new_file::try_create(file + ".partial-" + std::to_string(::getpid())));
  auto done = made.try_write(text);
  if (done) done = made.try_finish();
  if (done && std::rename(made.name().c_str(), file.c_str()) != 0)
    done = llava::fail_of_system(errno, "llava: cannot write ", file);
  if (!done) ::unlink(made.name().c_str());
  return done;
}

}  // namespace

dialogue::dialogue(const llava::chat_model& model, dialogue_settings settings)
    : model_(model), settings_(std::move(settings)), session_(model.shared()) {
  session_.settings = settings_.generation;
  session_.hooks.stop = llava::stop_signal(chat_signals::stop());
}

bool dialogue::start_end() const { return model_.shared()->opened.description.image_start_end; }
bool dialogue::has_system() const {
  return !state().turns.empty() && state().turns.front().from == llava::role::system;
}
std::size_t dialogue::turns() const { return state().turns.size() - (has_system() ? 1 : 0); }

llava::result<const given_image*> dialogue::try_attach(const std::string& place) {
  LLAVA_TRY(image, try_read_given_image(place));
  attached_.push_back(std::move(image));
  return &attached_.back();
}

llava::result<llava::answer> dialogue::try_ask_about(const std::vector<llava::image>& images, std::string_view question,
                                                     llava::text_callback on_text) {
  std::string text;
  const auto both = [&](std::string_view piece) {
    text += piece;
    on_text(piece);
  };
  auto answered = session_.try_ask(images, question, both);
  if (answered || answered.error().code() != llava::errc::cancelled) return answered;
  text = std::string(llava::stripped(text));
  if (text.empty()) return answered;
  LLAVA_TRY(placed, llava::try_place_images(question, images.size(), start_end()));
  llava::conversation_state next = state();
  next.turns.push_back({llava::role::user, std::move(placed), static_cast<int>(images.size())});
  next.turns.push_back({llava::role::assistant, text, 0});
  next.images.insert(next.images.end(), images.begin(), images.end());
  LLAVA_CHECK(session_.try_restore(std::move(next)));
  llava::answer stopped;
  stopped.text = std::move(text);
  stopped.reason = llava::finish_reason::cancelled;
  return stopped;
}

llava::result<llava::answer> dialogue::try_ask(std::string_view question, llava::text_callback on_text) {
  std::vector<llava::image> pixels;
  for (const given_image& one : attached_) pixels.push_back(one.pixels);
  session_.settings.seed = settings_.generation.seed;
  LLAVA_TRY(answered, try_ask_about(pixels, question, on_text));
  for (given_image& one : attached_) {
    one.pixels = {};  // the session has them
    images_.push_back(std::move(one));
  }
  attached_.clear();
  return std::move(answered);
}

llava::result<llava::answer> dialogue::try_ask_again(llava::text_callback on_text) {
  if (turns() < 2) return llava::fail(llava::errc::invalid_argument, "llava: there is no question to ask again");
  const llava::conversation_state before = state();
  const llava::message question = before.turns[before.turns.size() - 2];
  const std::size_t count = llava::images_in(question);
  std::vector<llava::image> pixels;
  for (std::size_t i = before.images.size() - count; i < before.images.size(); ++i) {
    if (before.images[i].is_video())
      return llava::fail(llava::errc::unsupported, "llava: a question about a video cannot be asked again");
    pixels.push_back(before.images[i].as_image());
  }
  session_.truncate(before.turns.size() - 2);
  ++session_.settings.seed;
  auto answered = try_ask_about(pixels, question.text, on_text);
  if (!answered) LLAVA_CHECK(session_.try_restore(before));
  return answered;
}

llava::result<void> dialogue::try_undo() {
  if (turns() < 2) return llava::fail(llava::errc::invalid_argument, "llava: there is no question to take back");
  session_.truncate(state().turns.size() - 2);
  images_.resize(state().images.size());
  return {};
}

void dialogue::clear() {
  session_.truncate(has_system() ? 1 : 0);
  images_.clear(), attached_.clear();
}

llava::result<void> dialogue::try_set_system(std::string_view text) {
  llava::conversation_state next = state();
  if (has_system()) next.turns.erase(next.turns.begin());
  if (!text.empty()) next.turns.insert(next.turns.begin(), {llava::role::system, std::string(text), 0});
  return session_.try_restore(std::move(next));
}

llava::result<std::string> dialogue::try_last_prompt() const {
  std::vector<llava::message> turns = state().turns;
  if (!turns.empty()) turns.back().text.clear();
  return model_.shared()->try_prompt(turns);
}

llava::result<void> dialogue::try_save(const std::string& file) const {
  const std::string text = std::string(start_of_file) + "\"model\": " + llava::json_string(settings_.model_name) +
                           ", \"messages\": " + messages_json(state().turns, images_) + "}\n";
  LLAVA_CHECK(try_check_output(file, start_of_file));
  return is_regular_or_absent(file) ? try_replace(file, text) : try_write_output(file, {text}, start_of_file);
}

llava::result<void> dialogue::try_load(const std::string& file) {
  LLAVA_TRY(text, llava::try_read_text_file(file, longest_file));
  LLAVA_TRY(root, llava::try_parse_json(file, text));
  const llava::json_value* messages = root.find("messages");
  if (!messages)
    return llava::fail(llava::errc::invalid_format,
                       llava::text_of("llava: ", file, " has no messages, expected a file of /save"));
  auto read = try_read_messages(*messages, start_end());
  if (!read) return llava::fail(read.error().code(), llava::text_of(read.error().sentence(), " (in ", file, ")"));
  if (!read->turns.empty() && read->turns.back().from == llava::role::user)
    return llava::fail(llava::errc::invalid_format,
                       llava::text_of("llava: ", file, " ends with a question, expected its answer"));
  llava::conversation_state next;
  next.turns = std::move(read->turns);
  for (given_image& one : read->images) next.images.emplace_back(std::exchange(one.pixels, {}));
  LLAVA_CHECK(session_.try_restore(std::move(next)));
  images_ = std::move(read->images);
  attached_.clear();
  return {};
}
