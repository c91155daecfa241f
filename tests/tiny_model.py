"""A GGUF file of a random model that is small enough to be tuned in a second; its tokens are single bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from gguf import GGUFWriter, TokenType

DIMENSION, LAYERS, HEADS, KV_HEADS, INNER = 32, 2, 4, 2, 64
END = "<|im_end|>"


def write_tiny(file: Path, *, family: str = "llama", seed: int = 0) -> Path:
    """Write the model's file and return it."""
    tokens = [*_bytes(), "ou", "gh", "ght", END]
    chance = np.random.default_rng(seed)
    writer = GGUFWriter(file, family)
    writer.add_block_count(LAYERS)
    writer.add_context_length(2048)
    writer.add_embedding_length(DIMENSION)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(DIMENSION // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([TokenType.NORMAL] * (len(tokens) - 1) + [TokenType.CONTROL])
    writer.add_token_merges(["o u", "g h", "gh t"])
    writer.add_eos_token_id(len(tokens) - 1)
    writer.add_bos_token_id(len(tokens) - 1)
    for name, shape in _shapes(len(tokens), family).items():
        ones = name.endswith("norm.weight")
        values = np.ones(shape) if ones else chance.normal(0, 0.2, shape)
        writer.add_tensor(name, values.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _shapes(vocabulary: int, family: str) -> dict[str, tuple[int, ...]]:
    kv = DIMENSION // HEADS * KV_HEADS
    layer: dict[str, tuple[int, ...]] = {
        "attn_norm.weight": (DIMENSION,),
        "attn_q.weight": (DIMENSION, DIMENSION),
        "attn_k.weight": (kv, DIMENSION),
        "attn_v.weight": (kv, DIMENSION),
        "attn_output.weight": (DIMENSION, DIMENSION),
        "ffn_norm.weight": (DIMENSION,),
        "ffn_gate.weight": (INNER, DIMENSION),
        "ffn_up.weight": (INNER, DIMENSION),
        "ffn_down.weight": (DIMENSION, INNER),
    }
    if family == "qwen2":
        layer |= {"attn_q.bias": (DIMENSION,), "attn_k.bias": (kv,), "attn_v.bias": (kv,)}
    layers = {f"blk.{n}.{name}": shape for n in range(LAYERS) for name, shape in layer.items()}
    return {"token_embd.weight": (vocabulary, DIMENSION), **layers, "output_norm.weight": (DIMENSION,)}


def _bytes() -> list[str]:
    """The 256 bytes as the characters that stand for them in a byte-level vocabulary (GPT-2)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(256, 512))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]
