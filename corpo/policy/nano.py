"""Make a nano policy with random weights: a byte-level tokenizer and a Llama of a few million parameters."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from corpo.config import NanoConfig
from corpo.task.response import CLOSE, OPEN

PAD, EOS = "<pad>", "<eos>"


# A digit, a tag, a word of a trace with its semicolon and colon, the beginning of a code line up to its first
# digit, and any other word with the spaces around it.
_WORD = rf"\d|{OPEN}|{CLOSE}|;[^\s\d;:]+:?|\n[^\d\n]*| ?[^\s\d;]+ ?| "
_MAX_TOKEN_LENGTH = 80


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer.

    It never merges digits, so the policy sees each digit of the numbers that it compares. It merges within a
    word, or within a line of code up to its first digit, so a verdict word of a trace can become one token.
    """
    tokenizer = Tokenizer(models.BPE())
    words = pre_tokenizers.Split(Regex(_WORD), behavior="isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[PAD, EOS],
        max_token_length=_MAX_TOKEN_LENGTH,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    # These tokens are not special, because decoding has to keep them: the parser reads the think block.
    tokenizer.add_tokens([AddedToken(OPEN, normalized=False), AddedToken(CLOSE, normalized=False)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=EOS, clean_up_tokenization_spaces=False
    )


def new_model(config: NanoConfig, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Return a policy with random weights, drawn from torch's global generator; seed it first."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=-(-len(tokenizer) // 64) * 64,  # a multiple of 64 multiplies faster
            hidden_size=config.width,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.heads,
            intermediate_size=config.mlp,
            max_position_embeddings=config.context,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
        )
    )
