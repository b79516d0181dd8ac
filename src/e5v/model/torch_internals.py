"""What e5v asks of torch that is not part of its public interface in every version that it takes.

Without transformers, so that a search imports it quickly. Seen with torch 2.11 and 2.13.
"""

import torch


def has_avx512_bf16() -> bool:
    """Check whether the CPU multiplies bfloat16 matrices in hardware.

    torch 2.13 has it in `torch.cpu.get_capabilities()`; 2.11 in a private function.
    """
    if hasattr(torch.cpu, "get_capabilities"):
        return bool(torch.cpu.get_capabilities().get("avx512_bf16", False))
    return bool(torch.cpu._is_avx512_bf16_supported())
