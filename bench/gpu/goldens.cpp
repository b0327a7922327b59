// SPDX-License-Identifier: Apache-2.0
/// The golden models of tests/goldens on the device, with weights in f32.
#include <goldens/golden.hpp>

#include "models.hpp"

namespace {

/// What golden.hpp needs of a pipeline.
class on_device {
 public:
  static llava::result<on_device> try_open(const std::string& folder, const llava::open_options& options) {
    LLAVA_TRY(model, gpu::try_open(folder, options));
    return on_device(std::move(model));
  }
  const llava::model_description& description() const { return model_->opened.description; }
  const llava::tokenizer& tokenizer() const { return model_->opened.tokenizer; }
  llava::session session() const { return llava::session(model_); }
  auto try_pixels(const llava::image& img) const { return model_->try_pixels(img); }
  auto try_features(const llava::image& img) const { return model_->try_features_of(img); }
  auto try_image_tokens(const llava::image& img) const { return model_->try_image_tokens(img); }
  llava::result<int> try_count_image_tokens(int width, int height) const {
    LLAVA_TRY(plan, model_->try_plan(width, height));
    return plan.tokens;
  }

 private:
  explicit on_device(gpu::any_model m) : model_(std::move(m)) {}
  gpu::any_model model_;
};

}  // namespace

TEST_CASE("R15: every stage of all golden models matches transformers on the device") {
  REQUIRE(gpu::format_name == "f32");
  for (const char* name : golden::models) golden::check<on_device>(name);
}
