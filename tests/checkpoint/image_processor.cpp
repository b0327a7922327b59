// SPDX-License-Identifier: Apache-2.0
#include <llava/checkpoint/describe.hpp>
#include <llava/image/preprocess.hpp>

#include <temporary_folder.hpp>

#include "../image/images.hpp"

namespace {

/// A llava-hf folder with a tower of 42 pixels, and `more` keys in its config.json.
struct folder : temporary_folder {
  explicit folder(const std::string& name, const std::string& tower = "clip", const std::string& more = "")
      : temporary_folder("image_processor_" + name) {
    write("config.json", R"({"model_type": "llava", "text_config": {"model_type": "llama"}, )" + more +
                             R"("vision_feature_select_strategy": ")" + (tower == "clip" ? "default" : "full") +
                             R"(", "vision_config": {"model_type": ")" + tower +
                             R"(_vision_model", "image_size": 42, "patch_size": 14}})");
  }
  llava::image_config image() const {
    auto d = llava::try_describe_model(path.string());
    if (!d) FAIL(d.error().what());
    return d->image;
  }
};

std::string crc_of_values(const llava::image_config& c, const llava::image& img) {
  const auto square = llava::try_preprocess(img, c);
  REQUIRE(square);
  const std::vector<float> values = llava::pixel_values(*square, llava::normalise_table(c));
  return images::crc({reinterpret_cast<const std::uint8_t*>(values.data()), values.size() * sizeof(float)});
}

}  // namespace

TEST_CASE("a processor's class defines its keys: pixel values equal transformers 4.57's, or an error is returned") {
  const llava::image made[] = {images::draw("noise", 1, 61, 40),  images::draw("scene", 2, 40, 61),
                               images::draw("noise", 3, 50, 50),  images::draw("gradient", 4, 20, 17),
                               images::draw("noise", 5, 30, 140), images::draw("scene", 6, 300, 31)};
  folder f("vectors");
  std::size_t compared = 0, refused = 0;
  for (const auto& line : images::lines("processors.txt")) {
    const std::string text = line.str(), json = text.substr(0, text.find('\t')),
                      expected = text.substr(text.find('\t') + 1);
    INFO(json);
    f.write("preprocessor_config.json", json);
    const auto d = llava::try_describe_model(f.path.string());
    if (expected.rfind("error ", 0) == 0) {
      REQUIRE_FALSE(d);
      INFO(d.error().sentence());
      CHECK(d.error().sentence().find(expected.substr(6)) != std::string::npos);
      ++refused;
      continue;
    }
    if (!d) FAIL(d.error().what());
    std::istringstream crcs(expected);
    for (const llava::image& img : made) {
      std::string crc;
      REQUIRE(crcs >> crc);
      CHECK(crc_of_values(d->image, img) == crc);
    }
    ++compared;
  }
  CHECK(compared >= 45);
  CHECK(refused >= 20);
}

TEST_CASE("processor_config.json is read if it holds an image processor, else preprocessor_config.json") {
  const char* siglip = R"({"image_processor_type": "SiglipImageProcessor", "size": {"height": 42, "width": 42}})";
  const char* clip =
      R"({"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 60}, "crop_size": 42})";
  folder f("files");
  f.write("preprocessor_config.json", clip);
  CHECK(f.image().resize == 60);
  f.write("processor_config.json", R"({"processor_class": "LlavaProcessor", "patch_size": 14})");
  CHECK(f.image().resize == 60);
  f.write("processor_config.json", R"({"image_processor": )" + std::string(siglip) + "}");
  CHECK(f.image().shape == llava::aspect::stretch);
  CHECK(f.image().mean[0] == 0.5);
}

TEST_CASE("a folder without settings has its tower's default preprocessing, and config.json may name the class") {
  CHECK(folder("clip").image().shape == llava::aspect::crop);
  CHECK(folder("clip").image().mean[0] == 0.48145466);
  CHECK(folder("siglip", "siglip").image().shape == llava::aspect::stretch);
  CHECK(folder("siglip", "siglip").image().std[2] == 0.5);
  folder named("named", "clip", R"("image_processor_type": "SiglipImageProcessor", )");
  named.write("preprocessor_config.json", R"({"size": {"height": 42, "width": 42}})");
  CHECK(named.image().mean[0] == 0.5);
}

TEST_CASE(
    "original folders: CLIP's class whatever the tower's file names, or LLaVA's own for SigLIP, which reads no file") {
  temporary_folder f("image_processor_original");
  const auto write = [&](const char* aspect, const char* tower) {
    f.write(
        "config.json",
        std::string(R"({"model_type": "llava", "mm_vision_tower": "tower", "image_aspect_ratio": ")") + aspect + "\"}");
    f.write("tower/config.json",
            std::string(R"({"image_size": 42, "patch_size": 14, "model_type": ")") + tower + "_vision_model\"}");
    const auto d = llava::try_describe_model(f.path.string());
    if (!d) FAIL(d.error().what());
    CHECK(d->image.pillow == 12);
    return d->image;
  };
  f.write(
      "tower/preprocessor_config.json",
      R"({"image_processor_type": "LlavaImageProcessor", "do_pad": true, "size": 60, "crop_size": 42, "image_mean": [0.1, 0.2, 0.3], "resample": 2})");
  const auto cropped = write("square", "clip"), padded = write("pad", "clip");
  CHECK((cropped.shape == llava::aspect::crop && cropped.resize == 60 && cropped.mean[2] == 0.3));
  CHECK((padded.shape == llava::aspect::pad && padded.resize == 60 && padded.filter == llava::resampling::bilinear));
  const auto stretched = write("square", "siglip"), beside = write("pad", "siglip");
  CHECK((stretched.shape == llava::aspect::stretch && stretched.resize == 42 && stretched.mean[2] == 0.5));
  CHECK((beside.shape == llava::aspect::pad && beside.resize == 42 && beside.filter == llava::resampling::bicubic));
}
