# SPDX-License-Identifier: Apache-2.0
"""Times PyTorch and transformers on LLaVA-1.5-7B's shapes in bf16, with random weights made on the device: SDPA, a
static cache, torch.compile with CUDA graphs. bench/gpu.sh runs it beside our figures.

    rival.py [--wait FILE [--enough FILE]] [--runs 11] [--quick] [--device cuda]

It writes a line of JSON for each figure and way ("eager" or "compiled"; the faster counts). First it prepares the
stages. It compiles them, until the file --enough exists, calls each four times, and writes {"ready": true}. Then it
waits until the file --wait exists, so that it measures on an idle machine. The tower has the 23 layers that LLaVA runs.
Exit code 77: something that it needs is not installed.
"""
import argparse
import inspect
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from full_size import LLAMA, VISION  # noqa: E402
from shapes import QUICK_TEXT, QUICK_VISION  # noqa: E402

try:
    import torch
    import transformers
except ImportError as missing:
    print(f"{missing.name} cannot be imported", file=sys.stderr)
    sys.exit(77)


def say(**facts):
    print(json.dumps(facts), flush=True)


class Rival:
    """The modules of a LLaVA model with random weights, and calls of its stages."""

    def __init__(self, text, vision, device, dtype):
        keys = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
                "num_key_value_heads", "max_position_embeddings", "rms_norm_eps")
        tower = {k: v for k, v in vision.items() if k not in ("model_type", "num_hidden_layers", "projection_dim")}
        config = transformers.LlavaConfig(
            vision_config=transformers.CLIPVisionConfig(**tower, num_hidden_layers=vision["num_hidden_layers"] - 1),
            text_config=transformers.LlamaConfig(**{k: text[k] for k in keys}), vision_feature_layer=-1,
            image_token_index=766)
        torch.set_default_dtype(dtype)
        with torch.device(device):
            model = transformers.LlavaForConditionalGeneration(config).eval()
        torch.set_default_dtype(torch.float32)
        self.tower, self.projector = model.model.vision_tower, model.model.multi_modal_projector
        self.text, self.head, self.config = model.model.language_model, model.lm_head, config.text_config
        self.device, self.dtype, self.side = device, dtype, vision["image_size"]
        takes = inspect.signature(inspect.unwrap(type(self.text).forward)).parameters
        self.cache_name = "cache" if "cache" in takes else "past_key_values"
        self.takes_position = "cache_position" in takes

    def cache(self, sequences, tokens):
        """A static cache for `tokens` tokens of each sequence."""
        made = transformers.StaticCache(config=self.config, max_cache_len=tokens, max_batch_size=sequences,
                                        device=self.device, dtype=self.dtype)
        if hasattr(made, "early_initialization"):
            heads, width = self.config.num_key_value_heads, self.config.hidden_size // self.config.num_attention_heads
            made.early_initialization(sequences, heads, width, self.dtype, torch.device(self.device))
        return made

    @staticmethod
    def set_length(cache, tokens):
        """Newer caches count their tokens; older ones are told the position of each call."""
        for layer in getattr(cache, "layers", []):
            if hasattr(layer, "cumulative_length"):
                layer.cumulative_length.fill_(tokens)

    def encode(self, pixels):
        return self.projector(self.tower(pixels).last_hidden_state[:, 1:])

    def step(self, embeds, positions, cache):
        """The next token (sequences, 1) after rows at these positions, greedy."""
        more = {"cache_position": positions} if self.takes_position else {}
        hidden = self.text(inputs_embeds=embeds, position_ids=positions[None].expand(embeds.shape[0], -1),
                           use_cache=True, **{self.cache_name: cache}, **more).last_hidden_state
        return self.head(hidden[:, -1]).argmax(-1, keepdim=True)


def synchronize(device):
    if device == "cuda":
        torch.cuda.synchronize()


def seconds_of(device, runs, prepare, call, warm_up=0):
    all_seconds = []
    for i in range(warm_up + runs):
        prepare()
        synchronize(device)
        start = time.perf_counter()
        call()
        synchronize(device)
        if i >= warm_up:
            all_seconds.append(time.perf_counter() - start)
    return all_seconds


def stages(rival, args):
    """Yields (figure, facts, way, prepare, call, steps of a call)."""
    device, dtype = rival.device, rival.dtype
    compiled = {"mode": "reduce-overhead", "dynamic": False} if device == "cuda" else {"backend": "eager"}

    def ways(function):
        return [("compiled", torch.compile(function, **compiled)), ("eager", function)]

    def mark():
        if device == "cuda":
            torch.compiler.cudagraph_mark_step_begin()

    def ids(count):
        return torch.arange(count, device=device)[None] * 7919 % rival.config.vocab_size

    pixels = torch.rand(5, 3, rival.side, rival.side, device=device).to(dtype)
    cache = rival.cache(1, args.depth + 68)
    whole = torch.arange(args.prompt, device=device)
    rows = rival.text.embed_tokens(ids(args.prompt))
    steps, encodes = ways(rival.step), ways(rival.encode)

    def empty():
        mark()
        rival.set_length(cache, 0)

    def decode(sequences):
        own = rival.cache(sequences, args.depth + 68)
        half = args.steps // 2
        positions = [torch.tensor([args.depth - half + i], device=device) for i in range(args.steps)]
        for way, step in ways(lambda token, position: rival.step(rival.text.embed_tokens(token), position, own)):
            def several(s=step):
                token = torch.full((sequences, 1), 7, device=device)
                for position in positions:
                    mark()
                    token = s(token, position).clone()
                return token.tolist()
            yield ("decode", {"sequences": sequences, "depth": args.depth}, way,
                   lambda: rival.set_length(own, args.depth - half), several, args.steps)

    def encode(squares):
        for way, function in encodes:
            yield "encode", {"squares": squares}, way, mark, lambda f=function: f(pixels[:squares].clone()), 1

    yield from decode(1)
    for way, step in steps:
        yield "prefill", {"tokens": args.prompt}, way, empty, lambda s=step: s(rows, whole, cache).clone(), 1
    yield from encode(1)
    for (way, function), (_, step) in zip(encodes, steps):
        def first_token(f=function, s=step):
            image = f(pixels[:1].clone()).clone()
            mark()
            text = rival.text.embed_tokens(ids(args.prompt - image.shape[1]))
            return s(torch.cat([image, text], 1), whole, cache).item()
        yield "first_token", {"tokens": args.prompt}, way, empty, first_token, 1
    yield from decode(args.batch)
    yield from encode(5)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--wait", type=pathlib.Path)
    parser.add_argument("--enough", type=pathlib.Path)
    parser.add_argument("--runs", type=int, default=11)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--device", default="cuda")
    args = parser.parse_args()
    args.prompt, args.depth, args.batch, args.steps = (40, 48, 3, 4) if args.quick else (640, 700, 16, 16)
    if args.device == "cuda" and not torch.cuda.is_available():
        print("PyTorch finds no CUDA device", file=sys.stderr)
        return 77
    text, vision = (QUICK_TEXT, QUICK_VISION) if args.quick else (LLAMA, VISION)
    with torch.no_grad():
        rival = Rival(text, vision, args.device, torch.bfloat16)
        usable = []
        for stage in stages(rival, args):
            figure, facts, way, prepare, call, _ = stage
            if way == "compiled" and args.enough and args.enough.exists():
                say(figure=figure, who="transformers", way=way, **facts, problem="there was no time to compile it")
                continue
            try:
                seconds_of(args.device, 4, prepare, call)
                usable.append(stage)
            except Exception as problem:  # one way of one stage; the others go on
                say(figure=figure, who="transformers", way=way, **facts, problem=str(problem).strip()[:200])
        say(ready=True, torch=torch.__version__, transformers=transformers.__version__)
        while args.wait and not args.wait.exists():
            time.sleep(0.1)
        for figure, facts, way, prepare, call, steps in usable:
            seconds = [s / steps for s in seconds_of(args.device, args.runs, prepare, call, warm_up=1)]
            say(figure=figure, who="transformers", way=way, weights="bf16", **facts, seconds=seconds)
    return 0 if usable else 1


if __name__ == "__main__":
    sys.exit(main())
