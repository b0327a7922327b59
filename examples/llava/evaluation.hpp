// SPDX-License-Identifier: Apache-2.0
/// The data of an evaluation: conversations about images, with the expected answers and the kinds of questions.
#pragma once
#include <llava/base/error.hpp>

#include <string>
#include <vector>

struct expected_turn {
  std::string text, answer, kind;
};
/// `images` are file names. `turns` follow one another in one conversation.
struct expected_conversation {
  std::vector<std::string> images;
  std::vector<expected_turn> turns;
};

/// Reads easy-VQA's split ("train", "test") in `folder`: questions.json and images/.
/// https://github.com/vzhou842/easy-VQA
llava::result<std::vector<expected_conversation>> try_read_easy_vqa(const std::string& folder,
                                                                    const std::string& split);
/// Finds the data of the Python package easy-vqa, if it is installed.
llava::result<std::string> try_find_easy_vqa();
/// Reads questions.jsonl and its images, one conversation per line:
/// {"images": ["1.png"], "turns": [{"text": …, "answer": …, "category": …}]}
llava::result<std::vector<expected_conversation>> try_read_scenes(const std::string& folder);
