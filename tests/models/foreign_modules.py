"""Networks as people write them, each with inputs and a way to call it; small enough to train in a test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Case:
    """A network, its inputs, and which of its parameters are generated."""

    name: str
    make: Callable[[], nn.Module]
    inputs: Callable[[], tuple[Any, ...]]
    only: Any = None

    def __str__(self) -> str:
        return self.name


def strided_cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, dilation=2, padding=2, groups=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 5),
    )


class UNet(nn.Module):
    """Two levels with skip connections."""

    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2 = nn.Conv2d(1, 6, 3, padding=1), nn.Conv2d(6, 12, 3, padding=1)
        self.up = nn.ConvTranspose2d(12, 6, 2, stride=2)
        self.norm = nn.GroupNorm(2, 12)
        self.out = nn.Conv2d(12, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        one = self.down1(x).relu()
        two = self.down2(F.max_pool2d(one, 2)).relu()
        return self.out(self.norm(torch.cat([self.up(two), one], 1)))


class Residual(nn.Module):
    """A basic block with BatchNorm and, where the width changes, a projection."""

    def __init__(self, into: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(into, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out)
        self.project: nn.Module = nn.Identity()
        if stride != 1 or into != out:
            self.project = nn.Sequential(nn.Conv2d(into, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        return (y + self.project(x)).relu()


def resnet(width: int = 6, classes: int = 5) -> nn.Module:
    stem = nn.Sequential(nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
    blocks = nn.Sequential(Residual(width, width, 1), Residual(width, 2 * width, 2))
    return nn.Sequential(stem, blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2 * width, classes))


class SqueezeExcite(nn.Module):
    """A depthwise convolution whose channels are weighed."""

    def __init__(self) -> None:
        super().__init__()
        self.expand, self.depthwise = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.squeeze, self.excite = nn.Linear(8, 2), nn.Linear(2, 8)
        self.act, self.head = nn.PReLU(8), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.depthwise(self.expand(x)))
        scale = self.excite(self.squeeze(y.mean((2, 3))).relu()).sigmoid()
        return self.head((y * scale[:, :, None, None]).mean((2, 3)))


class Recurrent(nn.Module):
    """Tokens through an embedding and an LSTM or GRU; the last state decides."""

    def __init__(self, kind: type[nn.LSTM] | type[nn.GRU]) -> None:
        super().__init__()
        self.embed, self.rnn, self.head = (
            nn.Embedding(20, 8),
            kind(8, 10, num_layers=2, batch_first=True),
            nn.Linear(10, 5),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(self.embed(x))[0][:, -1])


class ViT(nn.Module):
    """Patches, a class token, position embeddings (free parameters) and one encoder layer."""

    def __init__(self, width: int = 16, classes: int = 5) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, width, 4, 4)
        self.token, self.position = nn.Parameter(torch.zeros(1, 1, width)), nn.Parameter(torch.randn(1, 5, width) / 50)
        self.encoder = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.patch(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(x), -1, -1), patches], 1) + self.position
        return self.head(self.norm(self.encoder(tokens))[:, 0])


class Siren(nn.Module):
    """Sines of a linear map, for pictures as functions of their coordinates."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.out = nn.Linear(2, 16), nn.Linear(16, 16), nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.sin(self.second(torch.sin(10 * self.first(x)))))


class LoRA(nn.Module):
    """A frozen encoder layer whose feed-forward map gets a low-rank change."""

    def __init__(self) -> None:
        super().__init__()
        self.base = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True).requires_grad_(False)
        self.head = nn.Linear(16, 5).requires_grad_(False)
        self.lora_a, self.lora_b = nn.Parameter(torch.randn(4, 16) / 4), nn.Parameter(torch.zeros(16, 4))
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        y = self.base(x)
        return self.head((y + self.scale * y @ self.lora_a.T @ self.lora_b.T).mean(1))


class Mixer(nn.Module):
    """One MLP-Mixer layer over 4 tokens of 8 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(8), nn.LayerNorm(8)])
        self.tokens = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 4))
        self.channels = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.tokens(self.norms[0](x).transpose(1, 2)).transpose(1, 2)
        x = x + self.channels(self.norms[1](x))
        return self.head(x.mean(1))


def gan() -> nn.Module:
    return nn.Sequential(
        nn.ConvTranspose2d(8, 8, 4, 1, 0, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 1, 4, 2, 1),
        nn.Tanh(),
    )


class GraphNet(nn.Module):
    """Two of PyG's GCNConv."""

    def __init__(self) -> None:
        super().__init__()
        from torch_geometric.nn import GCNConv

        self.one, self.two = GCNConv(6, 8), GCNConv(8, 3)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        return self.two(self.one(x, edges).relu(), edges)


class Tied(nn.Module):
    """A language model whose embedding is its readout."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.mix, self.readout = nn.Embedding(12, 8), nn.Linear(8, 8), nn.Linear(8, 12, bias=False)
        self.readout.weight = self.embed.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(self.mix(self.embed(x)).tanh())


def picture(*shape: int) -> Callable[[], tuple[Any, ...]]:
    return lambda: (torch.randn(*shape),)


def tokens(size: int) -> Callable[[], tuple[Any, ...]]:
    return lambda: (torch.randint(0, size, (6, 7)),)


def graph() -> tuple[Any, ...]:
    return torch.randn(9, 6), torch.tensor([[0, 1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 4, 5, 6, 7, 8]])


def conv1d() -> nn.Module:
    return nn.Sequential(nn.Conv1d(2, 6, 5, padding=2), nn.BatchNorm1d(6), nn.ReLU(), nn.Flatten(), nn.Linear(60, 5))


def conv3d() -> nn.Module:
    return nn.Sequential(
        nn.Conv3d(1, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, 5)
    )


CASES = (
    Case("CNN with strides and groups", strided_cnn, picture(6, 3, 16, 16)),
    Case("U-Net", UNet, picture(4, 1, 8, 8)),
    Case("ResNet", resnet, picture(6, 3, 8, 8)),
    Case("depthwise and squeeze-excite", SqueezeExcite, picture(6, 3, 8, 8)),
    Case("LSTM", lambda: Recurrent(nn.LSTM), tokens(20)),
    Case("GRU", lambda: Recurrent(nn.GRU), tokens(20)),
    Case("ViT", ViT, picture(6, 3, 8, 8)),
    Case("Conv1d", conv1d, picture(6, 2, 10)),
    Case("Conv3d", conv3d, picture(6, 1, 6, 6, 6)),
    Case("SIREN", Siren, picture(16, 2)),
    Case("LoRA on a frozen Transformer", LoRA, picture(6, 5, 16)),
    Case("MLP-Mixer", Mixer, picture(6, 4, 8)),
    Case("GAN generator", gan, picture(6, 8, 1, 1)),
    Case("PyG GCN", GraphNet, graph),
    Case("tied language model", Tied, tokens(12)),
    Case("only the head of a ResNet", resnet, picture(6, 3, 8, 8), "4.*"),
)
