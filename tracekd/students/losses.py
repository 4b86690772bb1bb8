"""The loss of completion tokens alone; the logits of other tokens are never computed."""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from tracekd.students.batches import IGNORED


def token_losses(hidden: torch.Tensor, head, targets: torch.Tensor, chunk: int = 1024) -> torch.Tensor:
    """Cross-entropy (nats) of each position, its logits in fp32.

    Args:
        hidden: (N, H), one row per position with a target.
        head: from hidden states to logits over the vocabulary.
        targets: (N,) token ids.
        chunk: positions whose logits exist at once; with more, each part's are computed again for the backward pass.

    Returns:
        (N,) losses.
    """
    if len(targets) <= chunk:
        return _losses(hidden, head, targets)
    parts = zip(hidden.split(chunk), targets.split(chunk), strict=True)
    return torch.cat([checkpoint(_losses, h, head, t, use_reentrant=False) for h, t in parts])


def _losses(hidden, head, targets):
    return cross_entropy(head(hidden).float(), targets, reduction="none")


class LossHead(torch.nn.Module):
    """A model's head that, while ``labels`` are set, returns the losses of their tokens in place of logits.

    It is inside the model's own forward pass, so that wrappers of the model (PEFT, DDP, FSDP) work as usual.
    """

    def __init__(self, head: torch.nn.Module):
        """Wrap ``head``, the layer from hidden states to logits."""
        super().__init__()
        self.head, self.labels = head, None

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits (B, T, V); with ``labels`` (B, T) set, losses (N,) of the N labels after the first column."""
        if self.labels is None:
            return self.head(hidden)
        keep = self.labels[:, 1:] != IGNORED
        return token_losses(hidden[:, :-1][keep], self.head, self.labels[:, 1:][keep])


def install(model) -> LossHead:
    """Put a ``LossHead`` in the place of a causal model's head (through PEFT, if it is wrapped) and return it.

    Raises:
        ValueError: the model changes its logits after the head, so that the head alone does not give its loss.
    """
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    for name in ("final_logit_softcapping", "logit_scale", "logits_scaling"):
        if getattr(plain.config, name, None) not in (None, 1, 1.0):
            raise ValueError(f"{plain.config.model_type} models rescale logits ({name}), which is not supported here")
    if not isinstance(plain.lm_head, LossHead):
        plain.lm_head = LossHead(plain.lm_head)
    return plain.lm_head
