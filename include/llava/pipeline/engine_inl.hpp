// SPDX-License-Identifier: Apache-2.0
/// Definitions of engine.hpp.
#pragma once
#include <utility>

#include <llava/base/guard.hpp>
#include <llava/generate/settings_inl.hpp>
#include <llava/pipeline/answer_row.hpp>
#include <llava/pipeline/engine.hpp>

LLAVA_BEGIN

namespace detail {
/// An address that differs for each running thread.
inline const void* this_thread() {
  static thread_local const char mark = 0;
  return &mark;
}
inline error step_is_running() {
  return fail(errc::busy,
              "llava: a callback that runs within a step asked the model; let it return, and ask when the step has "
              "returned");
}
}  // namespace detail

LLAVA_INLINE result<answer_stream> engine::try_submit(std::shared_ptr<const opened_model> model,
                                                      answer_request request) {
  return guarded([&]() -> result<answer_stream> {
    LLAVA_CHECK(try_check(request.settings, model->opened.description.text.vocab));
    LLAVA_CHECK(model->try_accept(request.adapter.get()));
    if (request.settings.num_beams > 1)
      return fail(errc::invalid_argument, "llava: num_beams above 1 is for sessions; a batch and the engine take 1");
    scheduler::row_list one{std::make_shared<answer_row>(*model, std::move(request))};
    engine& e = model->engine();
    answer_stream asked(std::move(model), one.front());
    {
      const std::lock_guard<std::mutex> lock(e.mutex_);
      e.scheduler_.submit(one);
    }
    e.announce();
    return result<answer_stream>(std::move(asked));
  });
}

LLAVA_INLINE bool engine::lead() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (leader_) return false;
    leader_ = detail::this_thread();
    scheduler_.begin();
  }
  scheduler_.step([this] { announce(); });
  scheduler::row_list over;  // is destroyed without the mutex
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    scheduler_.finish(over);
    leader_ = nullptr;
  }
  announce();
  return true;
}

LLAVA_INLINE bool engine::leads_here() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return leader_ == detail::this_thread();
}

LLAVA_INLINE void engine::announce() {
  turn_.fetch_add(1);
  turn_.notify_all();
}

LLAVA_INLINE void engine::remove(answer_row& r) {
  scheduler::row_list over;  // is destroyed without the mutex
  const std::lock_guard<std::mutex> lock(mutex_);
  r.abandoned = true;
  r.on_news = nullptr;
  if (!leader_) scheduler_.remove(r, over);  // otherwise it is removed after the step
}

LLAVA_INLINE result<bool> engine::try_step() {
  if (leads_here()) return detail::step_is_running();
  const unsigned turn = turn_.load();
  if (!lead()) turn_.wait(turn);
  const std::lock_guard<std::mutex> lock(mutex_);
  return scheduler_.alive() > 0;
}

LLAVA_INLINE void engine::drive(const stop_signal& stop) {
  for (;;) {
    const unsigned turn = turn_.load();  // before the question, so that a wake() after it is not missed
    if (stop.stop_requested()) return;
    bool idle;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      idle = scheduler_.alive() == 0;
    }
    if (idle || !lead()) turn_.wait(turn);
  }
}

LLAVA_INLINE engine_counts engine::counts() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return scheduler_.counts();
}

LLAVA_INLINE answer_stream::answer_stream(std::shared_ptr<const opened_model> model, std::shared_ptr<answer_row> row)
    : model_(std::move(model)), row_(std::move(row)) {
  taken_.tokens.reserve(64), taken_.text.reserve(256);
}
LLAVA_INLINE answer_stream::answer_stream(answer_stream&&) noexcept = default;
LLAVA_INLINE answer_stream& answer_stream::operator=(answer_stream&& other) noexcept {
  if (this == &other) return *this;
  std::destroy_at(this);
  return *std::construct_at(this, std::move(other));
}
LLAVA_INLINE answer_stream::~answer_stream() {
  if (!row_) return;
  model_->engine().remove(*row_);
  const std::lock_guard<std::mutex> hook_has_returned(row_->in_hook);
}

LLAVA_INLINE answer& answer_stream::whole() { return row_->made.result(); }
LLAVA_INLINE int answer_stream::prompt_tokens() const { return row_->prompt_tokens; }

LLAVA_INLINE result<const answer_news*> answer_stream::take() {
  const std::lock_guard<std::mutex> lock(model_->engine().mutex_);
  answer_row& r = *row_;
  if (!r.ended && r.news.tokens.empty()) return nullptr;
#if LLAVA_EXCEPTIONS
  if (r.made.thrown()) throw detail::thrown_by_callback{r.made.thrown()};
#endif
  if (r.failed) return *r.failed;
  taken_.text.clear(), taken_.tokens.clear(), taken_.logprobs.clear(), taken_.top_logprobs.clear();
  taken_.ended = r.ended;
  std::swap(taken_.text, r.news.text);
  std::swap(taken_.tokens, r.news.tokens);
  std::swap(taken_.logprobs, r.news.logprobs);
  std::swap(taken_.top_logprobs, r.news.top_logprobs);
  return &taken_;
}

LLAVA_INLINE result<const answer_news*> answer_stream::try_take() {
  return guarded([&] { return take(); });
}

LLAVA_INLINE result<const answer_news*> answer_stream::try_next() {
  return guarded([&] { return next(); });
}

LLAVA_INLINE result<const answer_news*> answer_stream::next() {
  engine& e = model_->engine();
  if (e.leads_here()) return detail::step_is_running();
  for (;;) {
    const unsigned turn = e.turn_.load();
    LLAVA_TRY(news, take());
    if (news) return news;
    if (!e.lead()) e.turn_.wait(turn);
  }
}

LLAVA_END
