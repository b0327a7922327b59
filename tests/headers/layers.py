# SPDX-License-Identifier: Apache-2.0
"""Checks which layer includes which, and the other rules for headers.

    layers.py               checks include/; prints one line for each violation
    layers.py --self-test   checks that violations of each rule are found

The table ALLOWED is the architecture. Its order is the data flow; stages are siblings and meet in pipeline/; no stage
or block includes a backend. `x` stands for the folder llava/x/ or the header llava/x.hpp.
"""
import re

from headers import includes, main, without_comments, without_strings

CORE = "base config config_rules tensor quant ops nn image vision projector llm generate text checkpoint grammar"
ABOVE = f"{CORE} chat_model conversation_state fwd pipeline"
ALLOWED = {name: set(may.split()) for name, may in {
    "base": "",
    "config": "base",
    "config_rules": "base config",
    "fwd": "base",
    "tensor": "base",
    "quant": "base tensor",
    "ops": "base tensor quant",
    "backend": "base tensor quant ops",
    "nn": "base config tensor quant ops",
    "image": "base config config_rules tensor ops",
    "vision": "base config tensor quant ops nn",
    "projector": "base config tensor quant ops nn",
    "llm": "base config tensor quant ops nn",
    "generate": "base tensor ops",
    "text": "base",
    "checkpoint": "base config config_rules tensor quant text",
    "grammar": "base generate text checkpoint",
    "models": "base config vision projector llm text ops",
    "conversation_state": "base image text",
    "chat_model": "base conversation_state generate image",
    "pipeline": f"{CORE} chat_model conversation_state fwd",
    "comm": "base config tensor quant ops",
    "serve": f"{ABOVE} comm",
    "train": f"{ABOVE} comm models",
    "eval": f"{ABOVE} comm models",
}.items()}

# Where external headers may be included: (name of the header, files below llava/, why not elsewhere).
OUTSIDE = [(re.compile(name), re.compile(where), sentence) for name, where, sentence in [
    (r"(cpuid|immintrin|x86intrin|[a-z]mmintrin|arm_neon|arm_sve)\.h", r"backend/simd(/|\.)",
     "only backend/simd/ knows instruction sets"),
    (r"rapidjson/", r"(checkpoint|serve|train|eval)/", "RapidJSON stays in checkpoint/ (and serve/, train/, eval/)"),
    (r"(jpeglib|jerror|png|gif_lib|tiffio|webp/.*|lib(av|sw)\w+/.*)\.h", r"image/(\w+_)?file\.hpp",
     "image libraries stay in image/file.hpp and image/*_file.hpp"),
    (r"Eigen/", r"backend/eigen(/|\.)", "Eigen stays in backend/eigen"),
    (r"(cuda|cublas|cudnn|mma|cooperative_groups|cub/|nvtx)", r"backend/cuda(/|\.)", "CUDA stays in backend/cuda"),
    (r"llava_cuda_host\.hpp", r"backend/cuda/", "the host implementation of kernels stays in backend/cuda"),
    (r"boost/", r"serve/", "Boost stays in serve/"),
    (r"(arpa/inet|netdb)\.h", r"serve/", "the network stays in serve/"),
    (r"openssl/", r"serve/openssl_client\.hpp", "OpenSSL stays in serve/openssl_client.hpp"),
    (r"(mpi|nccl)\.h", r"comm/", "MPI and NCCL stay in comm/"),
    (r"(sys/|unistd|fcntl|dirent|ftw|poll|pthread|sched)",
     r"(tensor|checkpoint|serve|train|eval|comm)/|base/executor\.hpp|backend/simd/isa\.hpp|image/frames_file\.hpp",
     "system calls stay in tensor/, checkpoint/, base/executor.hpp, backend/simd/isa.hpp, image/frames_file.hpp and "
     "above pipeline/"),
    (r"regex$", r"^$", "std::regex recurses on its input and costs three seconds to parse"),
    (r"iostream$", r"^$", "the library never prints"),
    (r"filesystem$", r"(checkpoint|serve|train|eval)/",
     "<filesystem> costs a second to parse; paths belong to checkpoint/"),
    (r"thread$", r"base/executor\.hpp|(serve|train|eval|comm)/",
     "<thread> costs 0.7 s to parse; threads belong to base/executor.hpp"),
]]
# <vector>, <cstdint>, system calls
STANDARD = re.compile(r"[a-z_0-9]+$|sys/|(unistd|fcntl|dirent|ftw|poll|pthread|sched)\.h$")

ISA_MACRO = re.compile(
    r"\b(__(SSE|AVX|FMA|F16C|BMI|AMX|ARM_|aarch64|arm__|x86_64|i386|amd64|riscv)\w*|_M_(X64|IX86|ARM\w*))\b")


def layer_of(path):
    """"llava/vision/vit.hpp" -> "vision", "llava/config.hpp" -> "config", "llava.hpp" -> None (may include all)."""
    parts = path.split("/")
    return None if len(parts) == 1 else parts[1].split(".")[0]


def check_includes(path, text, found):
    layer, short = layer_of(path), path.removeprefix("llava/")
    if layer is not None and layer not in ALLOWED:
        found.append(f"{short}: {layer} is not in the table of tests/headers/layers.py; add what it may include")
        return
    for number, name, quoted in includes(text):
        where = f"{short}:{number}"
        if name == "llava.hpp":
            found.append(f"{where}: a header of the library may not include the umbrella")
        elif name.startswith("llava/"):
            target = layer_of(name)
            if quoted:
                found.append(f'{where}: write #include <{name}>, not "{name}"')
            elif layer and target != layer and target not in ALLOWED[layer]:
                allowed = " ".join(sorted(ALLOWED[layer], key=list(ALLOWED).index)) or "nothing"
                is_folder = "/" if short.startswith(f"{layer}/") else ".hpp"
                of_folder = "/" if name.startswith(f"llava/{target}/") else ".hpp"
                found.append(f"{short}: {layer}{is_folder} may not include {target}{of_folder} (allowed: {allowed})")
        elif name.startswith("llava: ") and short == "base/macros.hpp":
            pass  # the error message for older standards
        elif quoted:
            found.append(f'{where}: write the whole path, #include <llava/...>, not "{name}"')
        else:
            rules = [r for r in OUTSIDE if r[0].match(name)]
            for _, place, sentence in rules:
                if not place.match(short):
                    found.append(f"{where}: may not include <{name}>: {sentence}")
            if not rules and not STANDARD.match(name):
                found.append(f"{where}: may not include <{name}>: it is neither the library's nor the standard's (add "
                             "a rule to OUTSIDE in tests/headers/layers.py, or use <c...> for a C header)")


def check_text(path, text, found):
    short = path.removeprefix("llava/")
    code = without_strings(text)
    is_macros = short == "base/macros.hpp"
    for number, line in enumerate(code.split("\n"), 1):
        where = f"{short}:{number}"
        if (not is_macros and (m := re.match(r"\s*#\s*(define|undef)\s+(\w+)", line))
                and not (m[1] == "undef" and is_put_back(m[2], text))):
            found.append(f"{where}: #{m[1]} {m[2]}: only base/macros.hpp may define macros")
        if is_macros and (m := re.match(r"\s*#\s*define\s+(?!LLAVA_)(\w+)", line)):
            found.append(f"{where}: {m[1]}: a macro's name begins with LLAVA_")
        if not re.match(r"backend/(simd|cuda)(/|\.)", short) and not is_macros and (m := ISA_MACRO.search(line)):
            found.append(f"{where}: {m[0]}: only backend/simd/ and base/macros.hpp may test for an instruction set")
        if re.search(r"\busing\s+namespace\b", line):
            found.append(f"{where}: no `using namespace` in a header")
        if "__has_include" in line and re.search(r"__has_include\s*\(\s*<[^>]*[./]", text.split("\n")[number - 1]):
            found.append(f"{where}: an optional library needs its own header, not __has_include")
    if (not short.startswith("backend/cuda") and not re.search(r"^#pragma once$", code, re.M)
            and not path.endswith((".inc", ".inl"))):
        found.append(f"{short}: #pragma once is missing")
    for keyword, exempt in (("static_assert", is_macros), ("LLAVA_RULE", is_macros)):
        for m in re.finditer(rf"\b{keyword}\s*\(", text):
            if not exempt and not re.search(r'"llava: [^"]', argument_list(text, m.end())):
                found.append(f"{short}:{text.count(chr(10), 0, m.start()) + 1}: "
                             f'{keyword} needs a sentence that starts with "llava: "')


def is_put_back(macro, text):
    """Returns whether the header restores a foreign macro that it undefines."""
    return all(re.search(rf'^#pragma {what}_macro\("{macro}"\)$', text, re.M) for what in ("push", "pop"))


def argument_list(text, start):
    """Returns the text from just after an opening bracket to its closing bracket."""
    depth = 1
    for m in re.compile(r'"(?:\\.|[^"\\\n])*"|[()]').finditer(text, start):
        depth += {"(": 1, ")": -1}.get(m[0], 0)
        if depth == 0:
            return text[start:m.start()]
    return text[start:]


def check_cycles(texts, found):
    """Includes have no cycle, so that the order of a program's includes does not matter. The exception: x.hpp ends by
    including definitions, y_inl.hpp, which includes it."""
    includes_of = {path: [name for _, name, _ in includes(text) if name in texts] for path, text in texts.items()}
    for path, names in includes_of.items():
        if path.endswith("_inl.hpp"):
            includes_of[path] = [n for n in names if path not in includes_of[n]]
    done = set()

    def visit(path, above):
        if path in above:
            found.append("a cycle of includes: " + " -> ".join([*above[above.index(path):], path]))
        elif path not in done:
            for name in includes_of[path]:
                visit(name, [*above, path])
            done.add(path)

    for path in includes_of:
        visit(path, [])


def check(files):
    found = []
    texts = {path: without_comments(raw) for path, raw in files.items()}
    for path, text in texts.items():
        check_includes(path, text, found)
        check_text(path, text, found)
    check_cycles(texts, found)
    return found


def one(path, text):
    return {f"llava/{path}": "#pragma once\n" + text}


BAD = [
    (one("vision/vit.hpp", "#include <llava/llm/llama_decoder.hpp>"),
     "vision/vit.hpp: vision/ may not include llm/ (allowed: base config tensor quant ops nn)"),
    (one("config.hpp", "#include <llava/tensor/view.hpp>"),
     "config.hpp: config.hpp may not include tensor/ (allowed: base)"),
    (one("base/error.hpp", "#include <llava/config.hpp>"), "base/ may not include config.hpp (allowed: nothing)"),
    (one("nn/linear.hpp", "#include <llava/backend/scalar.hpp>"), "nn/ may not include backend/"),
    (one("pipeline/open.hpp", "#include <llava/models/any.hpp>"), "pipeline/ may not include models/"),
    (one("pipeline/open.hpp", "#include <llava.hpp>"), "may not include the umbrella"),
    (one("vision/vit.hpp", '#include "patch.hpp"'), "write the whole path"),
    (one("vision/vit.hpp", '#include "llava/ops/norm.hpp"'), "write #include <llava/ops/norm.hpp>"),
    (one("talk/x.hpp", ""), "talk is not in the table"),
    (one("nn/attention.hpp", "#include <immintrin.h>"), "only backend/simd/ knows instruction sets"),
    (one("backend/eigen.hpp", "#include <arm_neon.h>"), "only backend/simd/ knows instruction sets"),
    (one("text/bpe.hpp", "#include <rapidjson/reader.h>"), "RapidJSON stays in checkpoint/"),
    (one("image/preprocess.hpp", "#include <png.h>"), "image libraries stay in image/file.hpp"),
    (one("ops/matmul.hpp", "#include <Eigen/Core>"), "Eigen stays in backend/eigen"),
    (one("text/bpe.hpp", "#include <regex>"), "std::regex"),
    (one("base/progress.hpp", "#  include <iostream>"), "never prints"),
    (one("text/bpe.hpp", "#include <utf8proc.h>"), "neither the library's nor the standard's"),
    (one("base/dtype.hpp", "#ifdef __AVX2__\n#endif"), "base/dtype.hpp:2: __AVX2__: only backend/simd/"),
    (one("backend/scalar.hpp", "#if defined(__aarch64__)\n#endif"), "__aarch64__"),
    (one("ops/norm.hpp", "#define LLAVA_X 1"), "#define LLAVA_X: only base/macros.hpp may define macros"),
    (one("base/macros.hpp", "#define MAX(a, b) a"), "begins with LLAVA_"),
    (one("ops/norm.hpp", '#include "llava: a sentence"'), "write the whole path"),
    (one("checkpoint/json.hpp", '#pragma push_macro("Bool")\n#undef Bool'),
     "#undef Bool: only base/macros.hpp may define macros"),
    (one("ops/norm.hpp", "static_assert(sizeof(int) == 4);"), 'ops/norm.hpp:2: static_assert needs a sentence'),
    (one("ops/norm.hpp", 'static_assert(f("llama: )"), // "llava: not this"\n "four bytes");'),
     "static_assert needs a sentence"),
    (one("config.hpp", 'LLAVA_RULE(r, c, "heads", c.heads > 0);'), "LLAVA_RULE needs a sentence"),
    (one("ops/norm.hpp", "using namespace std;"), "no `using namespace`"),
    (one("ops/norm.hpp", "#if __has_include(<Eigen/Core>)\n#endif"), "not __has_include"),
    ({"llava/ops/norm.hpp": "int x();"}, "#pragma once is missing"),
    (one("text/a.hpp", "#include <llava/text/a_inl.hpp>") | one("text/a_inl.hpp", "#include <llava/text/b.hpp>")
     | one("text/b.hpp", "#include <llava/text/a.hpp>"),
     "a cycle of includes: llava/text/a.hpp -> llava/text/a_inl.hpp -> llava/text/b.hpp -> llava/text/a.hpp"),
]
GOOD = [
    one("vision/vit.hpp", "#include <vector>\n#include <llava/nn/linear.hpp>\n#include <llava/vision/patch.hpp>\n"
                          "#include <llava/config.hpp>"),
    one("backend/simd/avx2.hpp", "#include <immintrin.h>\n#ifdef __AVX2__\n#endif"),
    one("checkpoint/json.hpp", "#include <rapidjson/reader.h>\n#include <filesystem>\n#include <sys/mman.h>"),
    one("image/file.hpp", "#include <jpeglib.h>"),
    one("image/png_file.hpp", "#include <png.h>"),
    one("ops/norm.hpp", '// #define X, using namespace, __AVX2__\nstatic_assert(f(1, ")") == 2,\n'
                        '  "llava: a sentence");\nconst char* s = "using namespace // x";'),
    one("base/macros.hpp", '#include "llava: a sentence"\n#define LLAVA_RULE(n, s) static_assert(n, s)'),
    one("checkpoint/json.hpp", '#pragma push_macro("Bool")\n#undef Bool\n#pragma pop_macro("Bool")'),
    one("text/a.hpp", "#include <llava/text/a_inl.hpp>") | one("text/a_inl.hpp", "#include <llava/text/a.hpp>"),
    {"llava.hpp": "#pragma once\n#include <llava/models/any.hpp>\n#include <llava/backend/simd.hpp>"},
]

if __name__ == "__main__":
    main(check, BAD, GOOD)
