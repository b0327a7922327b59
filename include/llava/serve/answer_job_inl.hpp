// SPDX-License-Identifier: Apache-2.0
/// Definitions of answer_job.hpp.
#pragma once
#include <algorithm>
#include <random>

#include <llava/serve/answer_job.hpp>
#include <llava/serve/openai_reply_inl.hpp>
#include <llava/text/utf8.hpp>

LLAVA_BEGIN
namespace serve {

LLAVA_INLINE std::string stripped_pieces::push(std::string_view piece) {
  held_ += piece;
  const std::string_view text = has_begun_ ? std::string_view(held_) : lstripped(held_);
  const std::string_view shown = rstripped(text);
  std::string out(shown);
  if (!out.empty()) has_begun_ = true;
  held_ = std::string(text.substr(shown.size()));
  return out;
}

LLAVA_INLINE result<void> answer_job::try_start(task_pool& pool, answer_job_parts parts, prepared_prompt prompt) {
  const auto job = std::make_shared<answer_job>(std::move(parts));
  struct drops_unless_released {  // an error or an exception leaves no answer behind
    answer_job* job;
    ~drops_unless_released() {
      if (job) job->drop();
    }
  } guard{job.get()};
  answer_fields& fields = job->parts_.fields;
  if (!fields.has_seed) fields.settings.seed = std::random_device()() | std::uint64_t{std::random_device()()} << 32;
  const http_response response = job->parts_.response;
  job->usage_.prompt_tokens = static_cast<int>(prompt.tokens.size());
  job->usage_.image_tokens = static_cast<int>(
      std::count_if(prompt.tokens.begin(), prompt.tokens.end(), [](const prompt_token& t) { return t.is_image(); }));
  double seconds = 0;
  if (job->parts_.seconds > 0) {
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - job->parts_.received;
    seconds = (std::max)(job->parts_.seconds - passed.count(), 1e-9);
  }
  job->choices_.resize(static_cast<std::size_t>(fields.n));
  for (std::size_t i = 0; i < job->choices_.size(); ++i) {
    answer_request asked;
    asked.prompt = prompt;
    asked.settings = fields.settings;
    asked.settings.seed += i;
    asked.hooks.stop = response.gone();
    asked.seconds = seconds;
    asked.hooks.processor = job->parts_.processor;
    asked.on_news = [&pool, task = std::shared_ptr<pool_task>(job)] { pool.notify(task); };
    auto stream = engine::try_submit(job->parts_.model->model, std::move(asked));
    if (!stream) return std::move(stream).error();
    job->choices_[i].stream.emplace(*std::move(stream));
    job->choices_[i].made.index = static_cast<int>(i);
    job->choices_[i].last = job->parts_.received;
  }
  ++job->parts_.model->requests;
  if (fields.stream) {
    response.begin_events();
    if (job->parts_.head.is_chat)
      for (const choice& c : job->choices_) {
        reply_choice begun{.index = c.made.index, .text = {}, .logprobs = {}, .is_first = true};
        response.write_event(chunk_json(job->parts_.head, begun));
      }
  }
  guard.job = nullptr;
  pool.release(job);
  response.on_gone([&pool, weak = std::weak_ptr<pool_task>(job)] {
    if (const auto task = weak.lock()) pool.notify(task);
  });
  return {};
}

LLAVA_INLINE void answer_job::run() noexcept {
  try {
    take_news();
  } catch (...) {  // no memory: the response ends as a 500, or is cut off
    drop();
  }
}

LLAVA_INLINE void answer_job::take_news() {
  if (is_over_) return;
  if (parts_.response.gone().stop_requested()) {
    ++parts_.model->dropped;
    return drop();
  }
  bool all_ended = true;
  for (choice& c : choices_) {
    if (!c.stream) continue;
    const auto news = c.stream->try_take();
    if (!news) return fail_with(reply_of(news.error()));
    if (*news && !take(c, **news)) return;
    all_ended = all_ended && !c.stream;
  }
  if (all_ended) finish();
}

LLAVA_INLINE bool answer_job::take(choice& c, const answer_news& news) {
  const tokenizer& words = parts_.model->model->opened.tokenizer;
  const generation_settings& settings = parts_.fields.settings;
  measure(c, news.tokens.size());
  usage_.completion_tokens += static_cast<int>(news.tokens.size());
  const std::string text = parts_.head.is_chat ? c.stripped.push(news.text) : continued(c, news);
  if (settings.logprobs && parts_.head.is_chat) append_chat_logprobs(words, news, c.chat_logprobs);
  if (settings.logprobs && !parts_.head.is_chat) c.logprobs.append(words, news, settings.top_logprobs > 0, c.offset);
  for (const std::int32_t token : news.tokens) c.offset += words.token_bytes(token).size();
  std::string_view finish;
  if (news.ended) {
    const answer& whole = c.stream->whole();
    if (whole.reason == finish_reason::cancelled) {
      ++parts_.model->dropped;
      drop();
      return false;
    }
    if (whole.reason == finish_reason::deadline && whole.tokens.empty()) {
      fail_with({503, "The answer did not begin in time. Try again later.", "server_error", "timeout"});
      return false;
    }
    finish = finish_name(whole.reason);
    usage_.cached_tokens = (std::max)(usage_.cached_tokens, whole.reused_tokens);
    c.stream.reset();
  }
  if (!parts_.fields.stream) {
    c.made.text += text;
    c.made.finish = finish;
    return true;
  }
  if (text.empty() && finish.empty() && !settings.logprobs) return true;
  const reply_choice chunk{.index = c.made.index, .text = text, .logprobs = logprobs_of(c), .finish = finish};
  c.chat_logprobs.clear(), c.logprobs = {};
  parts_.response.write_event(chunk_json(parts_.head, chunk));
  return true;
}

LLAVA_INLINE std::string answer_job::continued(choice& c, const answer_news& news) const {
  if (c.has_text) return news.text;
  if (c.offset == 0 && !news.tokens.empty())
    c.begins_with_space = parts_.model->model->opened.tokenizer.token_bytes(news.tokens[0]).starts_with(' ');
  if (news.text.empty()) return {};
  c.has_text = true;
  return c.begins_with_space && news.text[0] != ' ' ? ' ' + news.text : news.text;
}

LLAVA_INLINE void answer_job::measure(choice& c, std::size_t tokens) {
  const auto now = std::chrono::steady_clock::now();
  const std::chrono::duration<double> passed = now - c.last;
  if (tokens == 0) return;
  const bool is_first = c.last == parts_.received;
  if (is_first)
    parts_.model->first_token.add(passed.count());
  else
    parts_.model->next_token.add(passed.count() / static_cast<double>(tokens), tokens);
  c.last = now;
}

LLAVA_INLINE std::string answer_job::logprobs_of(choice& c) const {
  if (!parts_.fields.settings.logprobs) return {};
  return parts_.head.is_chat ? "{\"content\": [" + c.chat_logprobs + "], \"refusal\": null}" : c.logprobs.json();
}

LLAVA_INLINE void answer_job::finish() {
  const http_response& to = parts_.response;
  if (parts_.fields.stream) {
    if (parts_.fields.include_usage) to.write_event(usage_chunk_json(parts_.head, usage_));
    to.write_event("[DONE]");
    to.end();
  } else {
    std::vector<reply_choice> all;
    for (choice& c : choices_) {
      c.made.logprobs = logprobs_of(c);
      all.push_back(std::move(c.made));
    }
    to.reply_json(200, reply_json(parts_.head, all, usage_));
  }
  drop();
}

LLAVA_INLINE void answer_job::fail_with(const error_reply& r) {
  if (parts_.fields.stream) {
    parts_.response.write_event(error_json(r.message, r.type, {}, r.code));
    parts_.response.end();
  } else {
    std::vector<http_header> more;
    if (r.status == 503) more.push_back({"Retry-After", "1"});
    parts_.response.reply_error(r.status, r.message, r.type, {}, r.code, std::move(more));
  }
  drop();
}

LLAVA_INLINE void answer_job::drop() noexcept {
  is_over_ = true;
  for (choice& c : choices_) c.stream.reset();
  parts_.answers = {}, parts_.image_bytes = {};
}

}  // namespace serve
LLAVA_END
