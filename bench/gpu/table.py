# SPDX-License-Identifier: Apache-2.0
"""Makes the table of bench/gpu.sh from what its steps found: {"facts": {…}, "steps": [{name, state, seconds, text}],
"figures": [{figure, seconds, …}]}.

    table.py RESULT.json    prints the table again
"""
import json
import pathlib
import statistics
import sys

from shapes import Shape


def median(figure):
    return statistics.median(figure["seconds"])


def text_of_seconds(s):
    return f"{s:.3g} s" if s >= 1 else f"{s * 1e3:.3g} ms" if s >= 1e-3 else f"{s * 1e6:.3g} µs"


def spread(figure):
    s = figure["seconds"]
    return f"{text_of_seconds(min(s))} … {text_of_seconds(max(s))}"


class Results:
    def __init__(self, figures, shape):
        self.figures, self.shape = [f for f in figures if f.get("seconds")], shape

    def of(self, name, **facts):
        """The fastest figure with this name and these facts, or None."""
        found = [f for f in self.figures if f["figure"] == name and all(f.get(k) == v for k, v in facts.items())]
        return min(found, key=median, default=None)

    def read_rate(self):
        best = max((f["bytes"] / median(f) for f in self.figures if f["figure"] == "read"), default=None)
        return best

    def product_rate(self):
        rates = [2 * f["m"] * f["n"] * f["k"] / median(f) for f in self.figures if f["figure"] == "product"]
        return max(rates, default=None)

    def parts(self):
        """Yields (words, name of the figure, facts, FLOPs or 0, bytes by weights or None, tokens or 0)."""
        shape = self.shape

        def bytes_at(depth, sequences):
            return lambda weights: shape.decode_bytes(weights, depth, sequences)

        ours = [f for f in self.figures if f.get("who") is None]
        tokens = next((f["tokens"] for f in ours if f["figure"] == "prefill"), 640)
        at = next((f["depth"] for f in ours if f["figure"] == "decode"), 700)
        batch = max((f["sequences"] for f in ours if f["figure"] == "decode"), default=16)
        asked = next((f["tokens"] for f in ours if f["figure"] == "first_token"), tokens)
        tiles = next((f["squares"] for f in ours if f["figure"] == "encode_tiles"), 5)
        encode = shape.encode_flops
        yield "image, 1 square", "encode", {"squares": 1}, encode(1), None, 0
        yield f"image, {tiles} squares", "encode_tiles", {"squares": tiles}, encode(tiles), None, 0
        yield f"prefill of {tokens}", "prefill", {}, shape.prefill_flops(tokens), None, tokens
        yield f"first token, image and text of {asked}", "first_token", {}, encode(1) + shape.prefill_flops(asked), \
            None, 0
        yield f"decode at {at}", "decode", {"sequences": 1}, 0, bytes_at(at, 1), 1
        answer = next((f for f in ours if f["figure"] == "answer"), None)
        if answer:
            yield f"answer of {answer['tokens']} tokens, a token", "answer", {}, 0, bytes_at(answer["depth"], 1), 1
        if batch > 1:
            yield f"decode at {at}, {batch} sequences", "decode", {"sequences": batch}, 0, bytes_at(at, batch), batch

    def rows(self):
        """Yields the cells of each row: what, weights, median, least and largest, tok/s, part of the roof, rival."""
        read, product = self.read_rate(), self.product_rate()
        for words, name, facts, flops, bytes_of, tokens in self.parts():
            rival = self.of("encode" if name == "encode_tiles" else "decode" if name == "answer" else name,
                            who="transformers", **({"sequences": 1} if name == "answer" else facts))
            for weights in ("bf16", "bf16 by cuBLASLt", "q8_0", "q4_0"):
                own = self.of(name, who=None, weights=weights, **facts)
                if not own:
                    continue
                s = median(own)
                if bytes_of:
                    roof = f"{100 * bytes_of(weights) / s / read:.0f} % of reading" if read else "reading not measured"
                else:
                    roof = f"{100 * flops / s / product:.0f} % of cuBLASLt" if product else "cuBLASLt not measured"
                beside = "–"
                if rival:
                    beside = f"{text_of_seconds(median(rival))} ({rival['way']}), {median(rival) / s:.2f}×"
                rate = f"{tokens / s:.4g}" if tokens else ""
                yield [words, weights, text_of_seconds(s), spread(own), rate, roof, beside]

    def roof_lines(self):
        read, product = self.read_rate(), self.product_rate()
        yield f"- read roof: {f'{read / 1e9:.0f} GB/s' if read else 'not measured'}"
        yield f"- product roof (cuBLASLt, bf16): {f'{product / 1e12:.0f} TFLOP/s' if product else 'not measured'}"
        best = {}
        for f in self.figures:
            if f["figure"] == "product":
                key, rate = (f["m"], f["n"], f["k"]), 2 * f["m"] * f["n"] * f["k"] / median(f)
                best[key] = max(best.get(key, 0), rate)
        if best:
            yield "- cuBLASLt by M×N×K: " + ", ".join(f"{m}×{n}×{k} {r / 1e12:.0f}" for (m, n, k), r in best.items())
        for f in self.figures:
            if f["figure"] == "open":
                yield f"- a folder with 16-bit weights opens as {f['weights']} in {median(f):.1f} s"


def markdown_row(cells):
    return "| " + " | ".join(str(c).replace("|", "/").replace("\n", " ") for c in cells) + " |"


def table(results):
    lines = ["# bench/gpu.sh", ""]
    lines += [f"- {key}: {value}" for key, value in results["facts"].items()]
    found = Results(results["figures"], results.get("shape_object") or Shape())
    lines += found.roof_lines()
    rows = list(found.rows())
    if rows:
        lines += ["", "Medians of the runs, after warm-up; least … largest. transformers has weights in bf16. A factor "
                  "above 1 means that ours is faster.", "",
                  markdown_row(["stage", "weights", "time", "runs", "tok/s", "of the roof", "transformers"]),
                  markdown_row(["---"] * 7)]
        lines += [markdown_row(r) for r in rows]
    lines += ["", markdown_row(["step", "state", "s", ""]), markdown_row(["---"] * 4)]
    lines += [markdown_row([s["name"], s["state"], f"{s['seconds']:.1f}", s["text"]]) for s in results["steps"]]
    return "\n".join(lines) + "\n"


def self_test():
    """With made-up times that are known parts of made-up roofs."""
    shape = Shape()
    run = {"seconds": [1, 3, 2]}
    figures = [
        {"figure": "read", "bytes": 8e12, **run}, {"figure": "read", "bytes": 2e12, **run},
        {"figure": "product", "m": 100, "n": 100, "k": 1e10, **run},  # 1e14 FLOP/s
        {"figure": "prefill", "weights": "bf16", "tokens": 640, "seconds": [shape.prefill_flops(640) / 5e13] * 3},
        {"figure": "decode", "weights": "q4_0", "depth": 700, "sequences": 1,
         "seconds": [shape.decode_bytes("q4_0", 700) / 3e12, 1, 1e-9]},
        {"figure": "decode", "weights": "q4_0", "depth": 700, "sequences": 16, "seconds": [0.016] * 3},
        {"figure": "decode", "who": "transformers", "way": "eager", "depth": 700, "sequences": 16, "seconds": [0.064]},
        {"figure": "decode", "who": "transformers", "way": "compiled", "depth": 700, "sequences": 16,
         "seconds": [0.032]},
        {"figure": "encode", "who": "transformers", "way": "eager", "squares": 1, "problem": "no"}]
    steps = [{"name": "figures", "state": "failed", "seconds": 2.5, "text": "one | two\nthree"}]
    text = table({"facts": {"device": "made up"}, "figures": figures, "steps": steps})
    for part in ("- device: made up", "read roof: 4000 GB/s", "cuBLASLt, bf16): 100 TFLOP/s",
                 "| prefill of 640 | bf16 | 168 ms |", "| 50 % of cuBLASLt | – |", "| 75 % of reading | – |",
                 "| decode at 700, 16 sequences | q4_0 | 16 ms | 16 ms … 16 ms | 1000 |",
                 "| 32 ms (compiled), 2.00× |", "| figures | failed | 2.5 | one / two three |"):
        if part not in text:
            sys.exit(f"table.py: expected {part!r} in\n{text}")
    if "image, 1 square" in text or "roof: not" in text:
        sys.exit(f"table.py: a row without a figure in\n{text}")
    nothing = table({"facts": {}, "figures": [], "steps": steps})
    if "read roof: not measured" not in nothing or "tok/s" in nothing:
        sys.exit(f"table.py: expected no rows in\n{nothing}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(table(json.loads(pathlib.Path(sys.argv[1]).read_text())))
