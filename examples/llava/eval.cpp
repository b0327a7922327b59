// SPDX-License-Identifier: Apache-2.0
/// llava eval easy-vqa, llava eval scenes: answers a set of questions greedily and counts exact matches with the
/// expected answers, by kind.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <map>
#include <mutex>
#include <thread>
#include <tuple>

#include <llava/base/executor.hpp>
#include <llava/checkpoint/written_json.hpp>

#include "command.hpp"
#include "evaluation.hpp"
#include "option_rules.hpp"

namespace {

constexpr std::string_view answers_start = "{\"question_id\": ";

struct eval_options {
  model_options model;
  std::string data, split = "test", answers;
  int limit = 0;
};

struct score {
  int right = 0, asked = 0;
};

struct evaluation {
  std::map<std::string, score> kinds;
  std::vector<std::string> records;  // one JSON line per turn, in the order of the questions
};

/// Asks the questions of one conversation. A wrong answer stays in the conversation, as in a chat.
llava::result<void> try_ask_all(llava::chat_session& chat, const expected_conversation& c, std::size_t number,
                                evaluation& e, std::mutex& lock) {
  std::vector<llava::image> images;
  for (const std::string& file : c.images) {
    LLAVA_TRY(img, image_file_options().try_read(file));
    images.push_back(std::move(img));
  }
  chat.truncate(0);
  std::string records;
  std::vector<std::pair<std::string, bool>> marks;
  for (const expected_turn& turn : c.turns) {
    LLAVA_TRY(a, chat.try_ask(images, turn.text));
    images.clear();  // the conversation has them now
    marks.emplace_back(turn.kind, a.text == turn.answer);
    records += std::string(answers_start) + std::to_string(number) + ", \"prompt\": " + llava::json_string(turn.text) +
               ", \"text\": " + llava::json_string(a.text) + ", \"answer\": " + llava::json_string(turn.answer) +
               ", \"category\": " + llava::json_string(turn.kind) + "}\n";
  }
  const std::lock_guard<std::mutex> guard(lock);
  for (const auto& [kind, right] : marks) ++e.kinds[kind].asked, e.kinds[kind].right += right;
  e.records[number] = std::move(records);
  return {};
}

void print_scores(const std::map<std::string, score>& kinds) {
  score all;
  for (const auto& [kind, s] : kinds) {
    std::printf("%-14s %6d of %6d  %6.2f %%\n", kind.c_str(), s.right, s.asked, 100.0 * s.right / s.asked);
    all.right += s.right, all.asked += s.asked;
  }
  std::printf("%-14s %6d of %6d  %6.2f %%\n", "all", all.right, all.asked,
              all.asked ? 100.0 * all.right / all.asked : 0.0);
}

void run(const eval_options& o, std::vector<expected_conversation> questions) {
  if (!o.answers.empty())
    if (const auto free = try_check_output(o.answers, answers_start); !free) give_up(free.error());
  if (o.limit > 0 && static_cast<std::size_t>(o.limit) < questions.size())
    questions.resize(static_cast<std::size_t>(o.limit));
  // Questions about one image follow one another, so that it is encoded once.
  std::vector<std::size_t> order(questions.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::tie(questions[a].images, a) < std::tie(questions[b].images, b);
  });

  const int workers = o.model.threads > 0 ? o.model.threads : llava::thread_pool::usable_processors();
  model_options one = o.model;
  one.threads = 1;  // conversations run in parallel, each on one thread
  const llava::chat_model model = value_or_give_up(one.try_open_to_ask());

  evaluation e;
  e.records.resize(questions.size());
  std::mutex lock;
  std::atomic<std::size_t> next{0}, done{0};
  std::vector<llava::result<void>> outcomes(static_cast<std::size_t>(workers));
  constexpr std::size_t run_length = 16;  // consecutive questions share an image
  {
    progress_bar bar;
    std::vector<std::jthread> threads;
    for (int w = 0; w < workers; ++w)
      threads.emplace_back([&, w] {
        llava::chat_session chat = model.session();
        for (std::size_t at = next.fetch_add(run_length); at < order.size(); at = next.fetch_add(run_length))
          for (std::size_t i = at; i < std::min(at + run_length, order.size()); ++i) {
            if (auto asked = try_ask_all(chat, questions[order[i]], order[i], e, lock); !asked) {
              outcomes[static_cast<std::size_t>(w)] = std::move(asked);
              next = order.size();
              return;
            }
            ++done;
            if (w == 0) bar.show({"asking", done.load(), order.size()});
          }
      });
  }
  for (const auto& outcome : outcomes)
    if (!outcome) give_up(outcome.error());
  if (!o.answers.empty()) {
    const std::vector<std::string_view> records(e.records.begin(), e.records.end());
    if (const auto written = try_write_output(o.answers, records, answers_start); !written) give_up(written.error());
  }
  print_scores(e.kinds);
}

void add_common(CLI::App& command, eval_options& o) {
  o.model.path = "examples/tiny";
  o.model.add_to(command);
  command.get_option("--model-path")->required(false);
  command.add_option("--answers-file", o.answers,
                     "Write every answer to this file, one JSON object per line; other files are not overwritten");
  command.add_option("--limit", o.limit, "Ask only this many questions; 0: all")->check(CLI::NonNegativeNumber);
}

}  // namespace

void add_eval(CLI::App& app) {
  CLI::App& eval = *app.add_subcommand("eval", "Measure the accuracy of a model");
  eval.require_subcommand(1);

  CLI::App& easy = *eval.add_subcommand("easy-vqa", "easy-VQA: one shape, one question, thirteen answers");
  const auto e = std::make_shared<eval_options>();
  add_common(easy, *e);
  easy.add_option("--data", e->data,
                  "Data folder of the Python package easy-vqa; default: that of the installed package");
  easy.add_option("--split", e->split, "Part of the data")->check(CLI::IsMember({"test", "train"}));
  easy.callback([e] {
    const std::string data = e->data.empty() ? value_or_give_up(try_find_easy_vqa()) : e->data;
    run(*e, value_or_give_up(try_read_easy_vqa(data, e->split)));
  });

  CLI::App& scenes = *eval.add_subcommand(
      "scenes",
      "Scenes of two to four shapes: colour, count, relation, comparison, captions, two images, follow-up turns");
  const auto s = std::make_shared<eval_options>();
  s->data = "examples/tiny/scenes";
  add_common(scenes, *s);
  scenes.add_option("--data", s->data, "Folder of questions.jsonl and its images");
  scenes.callback([s] { run(*s, value_or_give_up(try_read_scenes(s->data))); });

  add_divergence(eval);
}
