# SPDX-License-Identifier: Apache-2.0
"""Makes a table and a figure from the JSON reports of bench_ops and bench_pipeline (Google Benchmark).

    report.py RESULT.json... --table TABLE.md --figure ROOFLINE.svg
    report.py --self-test

The table has a row for each workload and a column for each backend, with the time and the % of the roof. The figure is
a roofline plot: each benchmark that counts FLOPs and bytes is a point (FLOPs per byte, FLOP/s) under the roofs that its
program measured.
"""
import argparse
import html
import json
import math
import pathlib
import re
import sys
import tempfile

COLOURS = ["#1b6ca8", "#d1495b", "#2e933c", "#edae49", "#7d4e9e", "#555555"]
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 960, 600, 90, 170, 50, 70


def read(paths):
    """Returns (context of the first file, {work: {subject: result}}), with the median of repeated runs by time."""
    context, runs = None, {}
    for path in paths:
        document = json.loads(pathlib.Path(path).read_text())
        context = context or document["context"]
        for b in document["benchmarks"]:
            if b.get("run_type") == "aggregate" or b.get("error_occurred"):
                continue
            work, subject = re.sub(r"(/(process_time|real_time|repeats:\d+|iterations:\d+))+$", "",
                                   b["name"]).rsplit("/", 1)
            runs.setdefault(work, {}).setdefault(subject, []).append(b)
    def middle(several):
        return sorted(several, key=lambda b: b["real_time"])[len(several) // 2]
    return context, {work: {s: middle(r) for s, r in row.items()} for work, row in runs.items()}


def seconds(b):
    return b["real_time"] * {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1}[b["time_unit"]]


def text_of_seconds(s):
    return f"{s:.3g} s" if s >= 1 else f"{s * 1e3:.3g} ms" if s >= 1e-3 else f"{s * 1e6:.3g} µs"


def roofs(context):
    return {what: float(context[key]) * 1e9 for what, key in
            (("read", "roof_read_GB/s"), ("f32", "roof_f32_GFLOP/s"), ("int8", "roof_int8_GOP/s"),
             ("int16", "roof_int16_GOP/s"))}


def table(context, works):
    r = roofs(context)
    lines = [f"{context['roof_threads']} threads, {context['roof_isa']}, compiler {context['compiler']}, "
             f"{context['date']}. Roofs: {r['read'] / 1e9:.1f} GB/s read, {r['f32'] / 1e9:.0f} GFLOP/s f32, "
             f"{r['int8'] / 1e9:.0f} GOP/s int8, {r['int16'] / 1e9:.0f} int16.", ""]
    subjects = list(dict.fromkeys(s for row in works.values() for s in row))
    lines += ["| work | " + " | ".join(subjects) + " |", "|---" * (len(subjects) + 1) + "|"]
    for work, row in works.items():
        cells = []
        for s in subjects:
            b = row.get(s)
            roof = f", {b['roof%']:.0f} %" if b and "roof%" in b else ""
            cells.append(f"{text_of_seconds(seconds(b))}{roof}" if b else "")
        lines.append(f"| {work} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def figure(context, works):
    r = roofs(context)
    points = [(work, s, b["FLOP/s"] / b["bytes/s"], b["FLOP/s"]) for work, row in works.items() for s, b in row.items()
              if b.get("FLOP/s") and b.get("bytes/s")]
    if not points:
        sys.exit("report: no benchmark counts both FLOPs and bytes")
    x_low, x_high = min(0.1, *(p[2] for p in points)) / 1.5, max(1000, *(p[2] for p in points)) * 1.5
    y_low, y_high = min(1e9, *(p[3] for p in points)) / 2, max(r["int8"], r["f32"]) * 2

    def x(v):
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(v / x_low) / math.log(x_high / x_low)

    def y(v):
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * math.log(v / y_low) / math.log(y_high / y_low)

    def line(x1, y1, x2, y2, style):
        return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {style}/>'

    def words(at_x, at_y, text, more=""):
        return f'<text x="{at_x:.1f}" y="{at_y:.1f}" {more}>{html.escape(text)}</text>'

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
           'font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
           words(LEFT, 28, f"Roofline: {context['roof_threads']} threads, {context['roof_isa']}", 'font-size="16"')]
    for e in range(math.ceil(math.log10(x_low)), math.floor(math.log10(x_high)) + 1):
        out += [line(x(10**e), TOP, x(10**e), HEIGHT - BOTTOM, 'stroke="#eee"'),
                words(x(10**e), HEIGHT - BOTTOM + 18, f"{10.0**e:g}", 'text-anchor="middle"')]
    for e in range(math.ceil(math.log10(y_low)), math.floor(math.log10(y_high)) + 1):
        out += [line(LEFT, y(10**e), WIDTH - RIGHT, y(10**e), 'stroke="#eee"'),
                words(LEFT - 8, y(10**e) + 4, f"{10.0**e / 1e9:g}", 'text-anchor="end"')]
    out += [words((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 20, "FLOPs per byte from memory", 'text-anchor="middle"'),
            words(20, HEIGHT / 2, "GFLOP/s", f'text-anchor="middle" transform="rotate(-90 20 {HEIGHT / 2})"')]
    roof = 'stroke="black" stroke-width="2"'
    top = max(r["f32"], r["int8"])
    first = max(x_low, y_low / r["read"])
    out.append(line(x(first), y(first * r["read"]), x(top / r["read"]), y(top), roof))
    for what in ("f32", "int16", "int8"):
        out += [line(x(r[what] / r["read"]), y(r[what]), WIDTH - RIGHT, y(r[what]), roof),
                words(WIDTH - RIGHT + 6, y(r[what]) + (14 if r[what] < top or what == "f32" else -4),
                      f"{what}: {r[what] / 1e9:.0f}")]
    middle = math.sqrt(first * r["f32"] / r["read"])
    out.append(words(x(middle) + 10, y(middle * r["read"]) + 16, f"{r['read'] / 1e9:.1f} GB/s"))
    subjects = list(dict.fromkeys(p[1] for p in points))
    for work, s, at, rate in points:
        colour = COLOURS[subjects.index(s) % len(COLOURS)]
        out.append(f'<circle cx="{x(at):.1f}" cy="{y(rate):.1f}" r="4" fill="{colour}" fill-opacity="0.75">'
                   f"<title>{html.escape(f'{work}/{s}: {rate / 1e9:.3g} GFLOP/s')}</title></circle>")
    for i, s in enumerate(subjects):
        out += [f'<circle cx="{WIDTH - RIGHT + 14}" cy="{HEIGHT - BOTTOM - 18 * (i + 1)}" r="5" '
                f'fill="{COLOURS[i % len(COLOURS)]}"/>',
                words(WIDTH - RIGHT + 26, HEIGHT - BOTTOM - 18 * (i + 1) + 4, s)]
    return "\n".join(out + ["</svg>"]) + "\n"


def self_test():
    context = {"roof_read_GB/s": "10", "roof_f32_GFLOP/s": "100", "roof_int8_GOP/s": "400", "roof_int16_GOP/s": "200",
               "roof_threads": "2", "roof_isa": "avx2", "compiler": "12", "date": "today"}
    def result(name, time, **more):
        return {"name": f"{name}/process_time/real_time", "real_time": time, "time_unit": "us",
                "run_type": "iteration", **more}
    found = [result("matmul/T1/avx2", t, **{"FLOP/s": 1e10, "bytes/s": 5e9, "roof%": 50.0}) for t in (30, 10, 20)]
    found += [result("matmul/T1/scalar", 2e6), {**result("matmul/T4/avx2", 1), "error_occurred": True}]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "a.json"
        path.write_text(json.dumps({"context": context, "benchmarks": found}))
        context, works = read([path])
    assert list(works) == ["matmul/T1"] and works["matmul/T1"]["avx2"]["real_time"] == 20
    text = table(context, works)
    assert "| matmul/T1 | 20 µs, 50 % | 2 s |" in text, text
    svg = figure(context, works)
    assert svg.count("<title>") == 1 and "f32: 100" in svg and "10.0 GB/s" in svg
    print("ok")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="*")
    parser.add_argument("--table", type=pathlib.Path)
    parser.add_argument("--figure", type=pathlib.Path)
    parser.add_argument("--self-test", action="store_true")
    args = parser.parse_args()
    if args.self_test:
        return self_test()
    if not args.results:
        parser.error("no results are given")
    context, works = read(args.results)
    if args.table:
        args.table.write_text(table(context, works), encoding="utf-8")
    if args.figure:
        args.figure.write_text(figure(context, works), encoding="utf-8")


if __name__ == "__main__":
    main()
