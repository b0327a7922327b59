# SPDX-License-Identifier: Apache-2.0
"""The network of the bundled model "tiny", its forward pass for training, and the scoring of its answers.

Imported by train_tiny.py. Needs: torch, transformers.
"""

import torch
from torch.nn.functional import cross_entropy
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

from scenes import KINDS
from tiny_data import IGNORED, PATCH, PATCHES, SIDE

# The auxiliary labels of a patch (centre_labels in tiny_data.py): number of classes and weight of each.
AUXILIARY = ((1 + len(KINDS), 1.0), (4, 0.1), (4, 0.1))
# After each of these layers of the language model, a head predicts where a named thing lies; weight of that loss.
POINTER_LAYERS, POINTER_WEIGHT = (2, 3), 3.0


def make_model(tokenizer):
    vision = CLIPVisionConfig(
        hidden_size=128, intermediate_size=384, num_hidden_layers=5, num_attention_heads=4, image_size=SIDE,
        patch_size=PATCH, hidden_act="quick_gelu", projection_dim=128)
    text = LlamaConfig(
        hidden_size=128, intermediate_size=320, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=4,
        vocab_size=len(tokenizer), max_position_embeddings=2048, rms_norm_eps=1e-5, tie_word_embeddings=False,
        bos_token_id=1, eos_token_id=2, pad_token_id=tokenizer.pad_token_id)
    config = LlavaConfig(
        vision_config=vision, text_config=text, image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=PATCHES, vision_feature_layer=-2, vision_feature_select_strategy="default",
        projector_hidden_act="gelu", tie_word_embeddings=False, pad_token_id=tokenizer.pad_token_id)
    return LlavaForConditionalGeneration(config)


def normalise(pixels, processor):
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (processor.image_mean, processor.image_std))
    return (pixels.float() / 255 - mean) / std


class Learner(torch.nn.Module):
    """The model's forward pass, reduced to what training needs, and the auxiliary heads."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.head = torch.nn.Linear(model.config.vision_config.hidden_size, sum(size for size, _ in AUXILIARY))
        self.pointers = torch.nn.ModuleList(torch.nn.Linear(model.config.text_config.hidden_size, 3)
                                            for _ in POINTER_LAYERS)

    def forward(self, pixels, ids, places, mentions):
        """Returns the logits at the flat places, the patches' class logits, and the positions at the flat mentions."""
        core = self.model.model
        tower, language = core.vision_tower, core.language_model
        features = tower.pre_layrnorm(tower.embeddings(pixels))
        for layer in tower.encoder.layers[:-1]:
            features = layer(features, attention_mask=None)
        features = features[:, 1:]
        hidden = language.embed_tokens(ids)
        is_image = (ids == self.model.config.image_token_id).unsqueeze(-1)
        hidden = hidden.masked_scatter(is_image, core.multi_modal_projector(features))
        positions = torch.arange(ids.shape[1]).unsqueeze(0)
        rotation, pointed = language.rotary_emb(hidden, position_ids=positions), []
        for number, layer in enumerate(language.layers, 1):
            hidden = layer(hidden, attention_mask=None, position_ids=positions, position_embeddings=rotation)
            if number in POINTER_LAYERS:
                pointer = self.pointers[POINTER_LAYERS.index(number)]
                pointed.append(pointer(hidden.flatten(0, 1)[mentions]))
        hidden = language.norm(hidden.flatten(0, 1)[places])
        return self.model.lm_head(hidden), self.head(features), torch.stack(pointed)


def answer_places(labels):
    """Returns the flat indices that predict a label, each one before the label, and these labels."""
    shifted = torch.cat([labels[:, 1:], torch.full_like(labels[:, :1], IGNORED)], dim=1).flatten()
    places = (shifted != IGNORED).nonzero().squeeze(1)
    return places, shifted[places]


def auxiliary_loss(guesses, labels):
    parts = guesses.flatten(0, 1).split([size for size, _ in AUXILIARY], dim=1)
    return sum(weight * cross_entropy(part, wanted, ignore_index=IGNORED)
               for part, wanted, (_, weight) in zip(parts, labels.flatten(0, 1).unbind(1), AUXILIARY))


def pointer_loss(pointed, targets):
    """Returns the mean squared error of the named things' positions, or 0 if nothing is named."""
    return POINTER_WEIGHT * (pointed - targets).square().sum(-1).mean() if len(targets) else pointed.sum()


@torch.no_grad()
def exact(learner, encoder, conversations, pixels_of, processor, size=64):
    """Returns {category: [right, asked]}. A turn is right if greedy decoding would give exactly its answer.

    Earlier turns of a conversation have the reference answers.
    """
    learner.eval()
    scores = {}
    encoded = sorted(((encoder.encode(c), c) for c in conversations), key=lambda pair: len(pair[0][0]))
    for start in range(0, len(encoded), size):
        part = encoded[start:start + size]
        ids, labels = encoder.batch([e for e, _ in part])
        places, wanted = answer_places(labels)
        pixels = torch.stack([pixels_of(i) for _, c in part for i in c.pictures])
        logits, _, _ = learner(normalise(pixels, processor), ids, places, places[:0])
        wrong = set((places[logits.argmax(-1) != wanted] + 1).tolist())
        for row, ((_, _, spans), conversation) in enumerate(part):
            for turn, (first, last) in zip(conversation.turns, spans):
                score = scores.setdefault(turn.category, [0, 0])
                score[0] += not any(row * ids.shape[1] + i in wrong for i in range(first, last))
                score[1] += 1
    learner.train()
    return scores


def share(scores):
    return sum(right for right, _ in scores.values()) / max(1, sum(asked for _, asked in scores.values()))


def in_words(scores):
    return ", ".join(f"{name} {right / asked:.2%}" for name, (right, asked) in sorted(scores.items()))
