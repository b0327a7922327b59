# SPDX-License-Identifier: Apache-2.0
"""The table and the figure of bench/serving.py's results, and the section of a page that has both."""
import collections
import html
import os
import pathlib
import re
import statistics

NAMES = {"a": "a new picture each time", "b": "4 questions about each of {} pictures",
         "c": "chats behind a long system prompt"}
OURS, THEIRS = "llava", "llama-server"
HEADING = "## Speed beside llama-server"


def name_of(results, scenario):
    return NAMES[scenario].format(max(1, round(8 * results["settings"]["scale"])))


def grouped(results):
    """{(scenario, clients): {side: [runs]}}, in order."""
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    for run in results["runs"]:
        found[run["scenario"], run["clients"]][run["side"]].append(run)
    return dict(sorted(found.items()))


def median(runs, key):
    return statistics.median(r[key] for r in runs)


def both(sides, show):
    """One cell: ours, then theirs."""
    return " / ".join(show(sides[s]) if s in sides else "–" for s in (OURS, THEIRS))


def rate(runs):
    values = [r["requests/s"] for r in runs]
    spread = f" ({min(values):.3f} … {max(values):.3f})" if len(values) > 1 else ""
    return f"{statistics.median(values):.3f}{spread}"


def pair(name, scale, form):
    return lambda runs: ", ".join(format(scale * median(runs, f"{name}_{p}"), form) for p in ("p50", "p95"))


def ratio(sides, key, of_times=False):
    """How many times ours is theirs; 0 if one was not measured."""
    if OURS not in sides or THEIRS not in sides:
        return 0.0
    mine, theirs = median(sides[OURS], key), median(sides[THEIRS], key)
    return mine / theirs if theirs else 0.0


def table(results):
    lines = ["| questions | clients | requests/s | ratio | first token, s: p50, p95 | ratio of p95 |"
             " between tokens, ms: p50, p95 | prompt from a cache | errors |", "|---|---|---|---|---|---|---|---|---|"]
    last = None
    for (scenario, clients), sides in grouped(results).items():
        times, first = ratio(sides, "requests/s"), ratio(sides, "ttft_p95")
        cells = [name_of(results, scenario) if scenario != last else "", str(clients), both(sides, rate),
                 f"{times:.2f}×" if times else "–", both(sides, pair("ttft", 1, ".2f")),
                 f"{first:.2f}" if first else "–", both(sides, pair("gap", 1000, ".0f")),
                 both(sides, lambda runs: f"{100 * median(runs, 'cached'):.0f} %"),
                 both(sides, lambda runs: f"{sum(r['errors'] for r in runs)} of {sum(r['requests'] for r in runs)}")]
        lines.append("| " + " | ".join(cells) + " |")
        last = scenario
    return "\n".join(lines) + "\n"


def figure(results):
    """Bars of requests/s, each pair on a scale of its own: the faster server's bar has the full length."""
    rows, top, bar, full, left = grouped(results), 44, 14, 420, 290
    height = top + 46 * len(rows) + 10
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="860" height="{height}" font-family="sans-serif" '
           'font-size="12">', '<rect width="100%" height="100%" fill="white"/>',
           '<text x="10" y="20" font-size="14">Requests a second; the longer bar is the faster server</text>']
    colours = {OURS: "#1b6ca8", THEIRS: "#b8b8b8"}
    for i, (side, colour) in enumerate(colours.items()):
        out += [f'<rect x="{560 + 110 * i}" y="10" width="12" height="12" fill="{colour}"/>',
                f'<text x="{578 + 110 * i}" y="20">{side}</text>']
    for i, ((scenario, clients), sides) in enumerate(rows.items()):
        y = top + 46 * i
        label = f"{name_of(results, scenario)}, {clients} client{'s' if clients > 1 else ''}"
        out.append(f'<text x="{left - 8}" y="{y + 19}" text-anchor="end">{html.escape(label)}</text>')
        most = max(median(runs, "requests/s") for runs in sides.values()) or 1
        for j, (side, colour) in enumerate(colours.items()):
            if side not in sides:
                continue
            value = median(sides[side], "requests/s")
            width = full * value / most
            ratio_text = f" ({ratio(sides, 'requests/s'):.2f}×)" if side == OURS and ratio(sides, "requests/s") else ""
            out += [f'<rect x="{left}" y="{y + j * (bar + 2)}" width="{width:.1f}" height="{bar}" fill="{colour}"/>',
                    f'<text x="{left + width + 6:.1f}" y="{y + j * (bar + 2) + 11}">{value:.3f}{ratio_text}</text>']
    return "\n".join(out + ["</svg>"]) + "\n"


def section(results, page, picture):
    s = results["settings"]
    waiting = f", run with OMP_WAIT_POLICY={s['OMP_WAIT_POLICY']}" if s["OMP_WAIT_POLICY"] else ""
    rounds = max(len(runs) for sides in grouped(results).values() for runs in sides.values())
    of_runs = "of one run each" if rounds == 1 else "medians of alternating runs; the range is in brackets"
    about = (f"LLaVA-1.5-7B's sizes with random weights and {s['layers']} of its 32 layers, on {s['machine']},"
             f" {s['threads']} threads. Both servers read the same GGUF files: linear layers in Q4_0, head in Q8_0,"
             f" tower in F16; `llava serve` with `--dtype {s['dtype']}`. Each answer has {s['new_tokens']} tokens."
             " llama-server is llama.cpp's, built natively from llama-cpp-python's source package, with 16 slots and"
             f" continuous batching{waiting}. Figures are ours / theirs, {of_runs}. *From a cache*: tokens of the"
             " prompts that were not computed again. The command:")
    command = "bench/serving.sh" + "".join(f" --{name.replace('_', '-')} {s[name]}" for name, usual in
                                           (("scale", 1), ("dtype", "q4_0"), ("new_tokens", 32)) if s[name] != usual)
    if rounds != 3:
        command += f" --rounds {rounds}"
    if s["OMP_WAIT_POLICY"]:
        command = f"OMP_WAIT_POLICY={s['OMP_WAIT_POLICY']} {command}"
    lines = [HEADING, "", *wrapped(about), "", f"    {command}", "", table(results)]
    if picture:
        lines += [f"![requests a second]({os.path.relpath(picture, page.parent)})", ""]
    return "\n".join(lines)


def wrapped(text, width=120):
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def with_section(page_text, new):
    """The page with its section replaced, or with a new one at its end."""
    old = re.search(rf"^{re.escape(HEADING)}\n.*?(?=^## |\Z)", page_text, re.M | re.S)
    if not old:
        return page_text.rstrip("\n") + "\n\n" + new.rstrip("\n") + "\n"
    rest = page_text[old.end():]
    return page_text[:old.start()] + new.rstrip("\n") + "\n" + ("\n" + rest if rest else "")


def show(results, picture, page):
    """Prints the table, and writes the figure and the page's section, each if its path is given."""
    print(table(results), end="")
    if picture:
        pathlib.Path(picture).write_text(figure(results), encoding="utf-8")
    if page:
        text = page.read_text(encoding="utf-8")
        page.write_text(with_section(text, section(results, page, picture)), encoding="utf-8")
