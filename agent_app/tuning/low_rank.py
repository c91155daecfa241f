"""What LoRA adds to the queries, keys and values of a layer, by the numbers that PEFT's modules have then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_ADAPTER = "default"
"""What PEFT calls the only one."""


class LowRank:
    """The factors of all matrices of a layer that LoRA adds to (Hu et al. 2021).

    Args:
        linears: the modules of queries, keys and values, with LoRA or without.
        scales: what the outputs of each are multiplied with.
        norm: the scales of the norm before them, [dimension]; what is read does not have them yet.
    """

    def __init__(self, linears: Sequence[Any], scales: Sequence[float], norm: torch.Tensor) -> None:
        self._norm = norm.detach()
        self._wide = [linear.out_features for linear in linears]
        self._down = [linear.lora_A[_ADAPTER].weight if _has(linear) else None for linear in linears]
        self._up = [linear.lora_B[_ADAPTER].weight if _has(linear) else None for linear in linears]
        self._scales = [
            scale * linear.scaling[_ADAPTER] if _has(linear) else scale
            for linear, scale in zip(linears, scales, strict=True)
        ]

    @property
    def parameters(self) -> list[torch.Tensor]:
        """What is learnt."""
        return [factor for factor in (*self._down, *self._up) if factor is not None]

    def __call__(self, normed: torch.Tensor, three: torch.Tensor) -> torch.Tensor:
        """Return queries, keys and values with what LoRA adds to them.

        Args:
            normed: what they are made of, [places, dimension].
            three: what the frozen matrices make of it, [places, out].
        """
        import torch

        down = torch.cat([factor for factor in self._down if factor is not None]) * self._norm
        up = torch.block_diag(  # type: ignore[no-untyped-call]
            *(
                torch.zeros(wide, 0) if factor is None else factor * scale
                for wide, factor, scale in zip(self._wide, self._up, self._scales, strict=True)
            )
        )
        return torch.addmm(three, normed @ down.to(normed.dtype).T, up.to(normed.dtype).T)


def low_rank(linears: Sequence[Any], scales: Sequence[float], norm: torch.Tensor) -> LowRank | None:
    """Return what LoRA adds to the matrices of a layer; None where it adds to none of them."""
    return LowRank(linears, scales, norm) if any(map(_has, linears)) else None


def _has(linear: Any) -> bool:
    return _ADAPTER in getattr(linear, "lora_A", ())
