# SPDX-License-Identifier: Apache-2.0
"""Checks that include/llava.hpp includes every header, directly or not, except the opt-in headers.

    umbrella.py               checks include/; prints one line for each error
    umbrella.py --self-test   checks that a missing header and an included opt-in header are found
"""
import re

from headers import includes, main, without_comments

OPT_IN = {
    r"llava/image/(\w+_)?file\.hpp": "links libraries of images or videos",
    r"llava/image/(exif|file_options|tiff_pixels)\.hpp": "is for files of images",
    r"llava/fwd\.hpp": "is for programs that do not include llava.hpp",
    r"llava/pipeline/quantise\.hpp": "writes model folders: most programs only read them",
    r"llava/checkpoint/(new_folder|model_files|json_text|weight_files|conversion|convert(_inl|_options)?|written_\w+|"
    r"added_image_token|llava_hf_folder|original_folder|gguf_(folder|writer)|torch_file_writer|projector_file|"
    r"delta_folder)\.hpp":
        "writes model folders: most programs only read them",
    r"llava/(pipeline/(verify|memory_needs)|quant/stored_blocks)\.hpp": "is for tools that look at model folders",
    r"llava/pipeline/message_parts(_inl)?\.hpp": "is for programs that take messages in parts",
    r"llava/pipeline/ask_as\.hpp": "is for answers of a given form",
    r"llava/(backend/adapted|pipeline/load_adapter(_inl)?)\.hpp": "is for models with live adapters",
    r"llava/grammar/": "is for programs that constrain answers to a schema or a list",
    r"llava/backend/eigen(/|\.)": "needs Eigen",
    r"llava/backend/cuda(/|\.|_)": "needs the CUDA toolkit",
    r"llava/(serve|train|eval|comm)/": "builds on the pipeline, for programs that serve, train or measure",
}


def opt_in_reason(path):
    return next((reason for pattern, reason in OPT_IN.items() if re.match(pattern, path)), None)


def check(files):
    reached, todo = set(), ["llava.hpp"]
    found = [] if "llava.hpp" in files else ["llava.hpp is missing"]
    while todo:
        path = todo.pop()
        if path in reached or path not in files:
            continue
        reached.add(path)
        for _, name, _ in includes(without_comments(files[path])):
            todo.append(name)
            if name.startswith("llava/") and name not in files:
                found.append(f"{path}: includes <{name}>, which does not exist")
    for path in files:
        reason = opt_in_reason(path)
        if path not in reached and not reason:
            found.append(f"{path}: llava.hpp does not include it: "
                         "add it there, or to OPT_IN in tests/headers/umbrella.py")
        if path in reached and reason and path != "llava/fwd.hpp":
            found.append(f"{path}: llava.hpp includes it, but it is opt-in: it {reason}")
    return found


A = "#include <llava/a.hpp>"
BAD = [
    ({"llava.hpp": A, "llava/a.hpp": "", "llava/b.hpp": ""}, "llava/b.hpp: llava.hpp does not include it"),
    ({"llava.hpp": f"// {A}", "llava/a.hpp": ""}, "llava/a.hpp: llava.hpp does not include it"),
    ({"llava.hpp": A}, "which does not exist"),
    ({"llava.hpp": A, "llava/a.hpp": "#include <llava/image/file.hpp>", "llava/image/file.hpp": ""},
     "but it is opt-in"),
    ({"llava.hpp": "#include <llava/backend/eigen.hpp>", "llava/backend/eigen.hpp": ""}, "it needs Eigen"),
    ({}, "llava.hpp is missing"),
]
GOOD = [{"llava.hpp": A, "llava/a.hpp": "#include <llava/b.hpp>", "llava/b.hpp": "", "llava/image/file.hpp": "",
         "llava/comm/mpi.hpp": ""}]

if __name__ == "__main__":
    main(check, BAD, GOOD)
