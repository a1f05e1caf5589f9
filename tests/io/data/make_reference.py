#!/usr/bin/env python3
"""Makes reference.safetensors with the format's reference implementation.

Needs: pip install torch numpy safetensors (0.8.0 made the file that is kept here).
usage: make_reference.py reference.safetensors
"""
import sys

import torch
from safetensors.torch import save_file

tensors = {
    "encoder.conv.0.weight": torch.arange(12, dtype=torch.float32).reshape(1, 3, 2, 2) / 8 - 0.5,
    "double": torch.tensor([0.1, -1e300, 2.0**-1074], dtype=torch.float64),
    "half.bf16": torch.tensor([1.0, -2.5, 3.140625]).bfloat16(),
    "bytes": torch.tensor([0, 1, 127, 128, 255], dtype=torch.uint8),
    "int": torch.tensor([[-2147483648], [2147483647]], dtype=torch.int32),
    "long": torch.tensor([-9223372036854775808, 9223372036854775807]),
    "scalar": torch.tensor(2.5),
    "empty": torch.zeros(0, 4),
    "fünf.dims": torch.tensor([7.0, 8.0]).reshape(1, 2, 1, 1, 1),
}
save_file(tensors, sys.argv[1], metadata={"format": "pt"})
