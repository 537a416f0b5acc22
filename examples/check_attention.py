"""Backward passes, right and wrong, under torch.autograd.gradcheck and under fastfd: what each of them finds.

    pip install "fastfd[torch,plot]"
    python examples/check_attention.py attention.png
"""

import sys
import warnings

import torch

from fastfd.interop.torch import check


class Softmax(torch.autograd.Function):
    """Softmax over the last dimension, with a backward pass by hand."""

    @staticmethod
    def forward(ctx, logits):
        p = torch.softmax(logits, -1)
        ctx.save_for_backward(p)
        return p

    @staticmethod
    def backward(ctx, above):
        (p,) = ctx.saved_tensors
        return p * (above - (above * p).sum(-1, keepdim=True))


class SoftmaxOffByALittle(Softmax):
    """Its gradient is wrong by one part in ten thousand."""

    @staticmethod
    def backward(ctx, above):
        return Softmax.backward(ctx, above) * 1.0001


class Attention(torch.autograd.Function):
    """softmax(q kᵀ / √d) v."""

    @staticmethod
    def forward(ctx, query, key, value):
        p = torch.softmax(query @ key.mT / query.shape[-1] ** 0.5, -1)
        ctx.save_for_backward(query, key, value, p)
        return p @ value

    @staticmethod
    def backward(ctx, above):
        query, key, value, p = ctx.saved_tensors
        in_p = above @ value.mT
        in_scores = p * (in_p - (in_p * p).sum(-1, keepdim=True)) / query.shape[-1] ** 0.5
        return in_scores @ key, in_scores.mT @ query, p.mT @ above


class AttentionUnscaled(Attention):
    """The gradient of the keys forgets 1/√d."""

    @staticmethod
    def backward(ctx, above):
        in_query, in_key, in_value = Attention.backward(ctx, above)
        return in_query, in_key * ctx.saved_tensors[0].shape[-1] ** 0.5, in_value


class FaintLoss(torch.autograd.Function):
    """10⁻⁶ Σ x², as after division by a large batch, with the sign of its gradient flipped."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return 1e-6 * (x * x).sum()

    @staticmethod
    def backward(ctx, above):
        return -2e-6 * ctx.saved_tensors[0] * above


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def cases():
    """What is tried, whether it is right, and at which inputs."""
    yield "softmax", True, Softmax.apply, (draw(3, 4),)
    yield "softmax, inputs in float32", True, Softmax.apply, (draw(3, 4).float().detach().requires_grad_(),)
    yield "relu, an input at the kink", True, torch.relu, (torch.tensor([0.0, 1.0], dtype=torch.float64, requires_grad=True),)
    yield "softmax, wrong by 1e-4", False, SoftmaxOffByALittle.apply, (draw(3, 4),)
    yield "sign flipped, loss times 1e-6", False, FaintLoss.apply, (draw(4),)
    yield "attention, keys unscaled", False, AttentionUnscaled.apply, (draw(5, 4), draw(5, 4), draw(5, 4))


def gradcheck(function, inputs):
    """What torch says: nothing, or the text of its exception."""
    try:
        torch.autograd.gradcheck(function, inputs)
    except RuntimeError as error:
        return str(error)
    return ""


def verdict(report):
    """What fastfd says, in a word or two."""
    doubtful = int((report.verdict == 1).sum())
    return ("passes" if report.passed else "fails") + (f", {doubtful} inconclusive" if doubtful else "")


def beginning(text, lines=6):
    """So much of a text, and how much more there is."""
    shown, hidden = text.splitlines()[:lines], text.splitlines()[lines:]
    return "\n".join([*shown, f"… and {len(hidden)} lines more"] if hidden else shown)


def draw_reports(reports, file):
    """Analytic against numerical derivatives of each."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(reports), figsize=(9.0, 4.4), layout="constrained")
    for ax, (name, report) in zip(axes, reports.items()):
        report.plot(ax)
        ax.get_legend().set_title(name)
    figure.savefig(file, dpi=100)


def main(file=None):
    warnings.simplefilter("ignore")  # gradcheck warns that inputs should be in double precision
    torch.manual_seed(0)
    print(f"{'':<32} {'is':<6} {'gradcheck':<10} fastfd")
    reports = {}
    for name, right, function, inputs in cases():
        message, report = gradcheck(function, inputs), check(function, inputs)
        reports[name] = report
        print(f"{name:<32} {'right' if right else 'wrong':<6} {'fails' if message else 'passes':<10} {verdict(report)}")
    print(f"\nOn the last, gradcheck:\n\n{beginning(message)}\n\nfastfd:\n\n{beginning(str(report), 12)}")
    if file:
        draw_reports({name: reports[name] for name in ("softmax", "attention, keys unscaled")}, file)


if __name__ == "__main__":
    main(*sys.argv[1:2])
