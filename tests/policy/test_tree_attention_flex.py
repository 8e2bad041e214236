"""FlexAttention gives the log-probs and gradients of separate rows. Its backward pass exists on GPUs only.

C completion tokens of a whole group.
"""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor
from torch.nn.attention.flex_attention import create_block_mask
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from corpo.policy import tree_attention
from corpo.policy.packing import group_logprobs, left_pad
from corpo.policy.tree_attention_flex import BLOCK, tree_block_mask

PROMPT_LENGTHS, GROUP, LENGTH = (40, 170, 5), 6, 90

needs_cuda = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="FlexAttention's backward pass and its kernel need a CUDA device"
)


def _model(heads: int, kv_heads: int, size: int) -> PreTrainedModel:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=300,
        hidden_size=heads * size,
        num_hidden_layers=2,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=size,
        intermediate_size=64,
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2.0)  # sharper attention
    return model


def _rollouts() -> tuple[list[list[int]], Tensor, Tensor]:
    """Return prompts, completions (P, G, T) and the mask of their real tokens, all of different lengths."""
    generator = torch.Generator().manual_seed(0)
    prompts = [torch.randint(0, 300, (length,), generator=generator).tolist() for length in PROMPT_LENGTHS]
    ids_PGT = torch.randint(0, 300, (len(prompts), GROUP, LENGTH), generator=generator)
    lengths_PG = torch.randint(1, LENGTH + 1, (len(prompts), GROUP), generator=generator)
    return prompts, ids_PGT, torch.arange(LENGTH) < lengths_PG[..., None]


def _separate_rows(model: PreTrainedModel, prompts: list[list[int]], ids_PGT: Tensor) -> Tensor:
    rows = []
    for prompt, group in zip(prompts, ids_PGT, strict=True):
        for completion in group:
            ids = torch.cat([torch.tensor(prompt, device=completion.device), completion])[None]
            logp = torch.log_softmax(model(input_ids=ids).logits[0, len(prompt) - 1 : -1].double(), -1)
            rows.append(logp.gather(-1, completion[:, None]).squeeze(-1))
    return torch.stack(rows).view(ids_PGT.shape)


def _gradients(model: PreTrainedModel) -> Tensor:
    return torch.cat([p.grad.double().flatten() for p in model.parameters() if p.grad is not None])


def _relative_error(value: Tensor, reference: Tensor) -> float:
    return float((value.double() - reference).norm() / reference.norm())


@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (6, 2)])
def test_flex_logprobs_on_a_cpu_equal_the_tree(
    heads: int, kv_heads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = _model(heads, kv_heads, size=16)
    prompts, ids_PGT, mask_PGT = _rollouts()
    with torch.no_grad():
        tree_PGT, tree_entropy_PGT = group_logprobs(model, prompts, ids_PGT, mask_PGT)
        monkeypatch.setattr(tree_attention, "FLEX_DEVICES", {"cpu"})
        flex_PGT, flex_entropy_PGT = group_logprobs(model, prompts, ids_PGT, mask_PGT)
    torch.testing.assert_close(flex_PGT, tree_PGT, atol=2e-5, rtol=0)
    torch.testing.assert_close(flex_entropy_PGT, tree_entropy_PGT, atol=2e-5, rtol=0)


def _block_mask_inputs() -> tuple[Tensor, Tensor, Tensor]:
    prompts, _, mask_PGT = _rollouts()
    flat_PC = mask_PGT.flatten(1)
    longest = int(flat_PC.sum(-1).max())
    index_PC = (~flat_PC).long().sort(stable=True, dim=-1).indices[:, :longest]
    _, prompt_mask_PS = left_pad(prompts, 0, suffix=longest, multiple=BLOCK)
    return prompt_mask_PS, index_PC // LENGTH, flat_PC.gather(1, index_PC)


def test_no_visible_token_is_in_a_skipped_block_and_no_hidden_one_in_a_full_block() -> None:
    prompt_mask_PS, rollout_PC, real_PC = _block_mask_inputs()
    mask = tree_block_mask(prompt_mask_PS, rollout_PC, real_PC)
    length = prompt_mask_PS.shape[1] + rollout_PC.shape[1]
    exact = create_block_mask(mask.mask_mod, len(rollout_PC), None, length, length, device="cpu")
    assert bool((mask.to_dense() >= exact.to_dense()).all()), "a visible token is skipped"
    full, full_exact = (_full_blocks(each) for each in (mask, exact))
    assert bool((full <= full_exact).all()), "a hidden token is in a block that is not masked"
    assert torch.equal(full, full_exact), "a block that is visible in full is masked token by token"
    assert int(mask.to_dense().sum()) <= 1.2 * int(exact.to_dense().sum()), "many blocks are computed in vain"


def _full_blocks(mask: object) -> Tensor:
    """Return which blocks are visible in full, (P, 1, blocks, blocks)."""
    counts, columns = mask.full_kv_num_blocks, mask.full_kv_indices  # type: ignore[attr-defined]
    dense = torch.zeros(*columns.shape, dtype=torch.long)
    is_listed = torch.arange(columns.shape[-1]) < counts[..., None]
    return dense.scatter(-1, columns.long(), is_listed.long())


def test_a_row_that_is_no_multiple_of_the_block_is_refused() -> None:
    with pytest.raises(ValueError, match="a row of 10 tokens"):
        tree_block_mask(torch.ones(1, 4).bool(), torch.zeros(1, 6).long(), torch.ones(1, 6).bool())


@needs_cuda
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.bfloat16, 0.05)])
@pytest.mark.parametrize(("heads", "kv_heads", "size"), [(4, 4, 32), (9, 3, 64), (4, 2, 128)])
def test_on_cuda_flex_logprobs_and_gradients_equal_separate_rows(
    heads: int, kv_heads: int, size: int, dtype: torch.dtype, tolerance: float
) -> None:
    model = _model(heads, kv_heads, size).to("cuda", dtype)
    prompts, ids_PGT, mask_PGT = _rollouts()
    ids_PGT, mask_PGT = ids_PGT.to("cuda"), mask_PGT.to("cuda")
    slope_PGT = torch.randn(ids_PGT.shape, generator=torch.Generator().manual_seed(1)).to("cuda") * mask_PGT
    exact = copy.deepcopy(model).double()
    exact.set_attn_implementation("sdpa")
    reference_PGT = _separate_rows(exact, prompts, ids_PGT)
    (reference_PGT * slope_PGT).sum().backward()
    flex_PGT, _ = group_logprobs(model, prompts, ids_PGT, mask_PGT)
    (flex_PGT * slope_PGT).sum().backward()
    assert _relative_error(flex_PGT[mask_PGT], reference_PGT[mask_PGT].detach()) < tolerance
    assert _relative_error(_gradients(model), _gradients(exact)) < (1e-4 if dtype == torch.float32 else 0.1)
