// SPDX-License-Identifier: Apache-2.0
/// What an evaluation is: conversations about images with the answers expected, and the accuracy by kind of question.
#pragma once
#include <llava/base/error.hpp>

#include <string>
#include <vector>

struct expected_turn {
  std::string text, answer, kind;
};
/// Images are files; turns follow one another in one conversation.
struct expected_conversation {
  std::vector<std::string> images;
  std::vector<expected_turn> turns;
};

/// easy-VQA's split ("train", "test") below `folder`: questions.json and images/. https://github.com/vzhou842/easy-VQA
llava::result<std::vector<expected_conversation>> try_read_easy_vqa(const std::string& folder,
                                                                    const std::string& split);
/// Where the Python package easy-vqa keeps its data, when it is installed.
llava::result<std::string> try_find_easy_vqa();
/// questions.jsonl and its images, one conversation a line:
/// {"images": ["1.png"], "turns": [{"text": …, "answer": …, "category": …}]}
llava::result<std::vector<expected_conversation>> try_read_scenes(const std::string& folder);
