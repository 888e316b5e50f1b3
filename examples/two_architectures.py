"""One generator for ResNets and vision Transformers on CIFAR-10 at once, and for widths that it never saw.

The networks are plain PyTorch; ``uhn.describe`` is all that the library needs to know of them. BatchNorm takes the
statistics of training batches anew before a network is evaluated (``uhn.recalibrate``).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from common import Rows, accuracy, arguments, images
from torch import Tensor, nn

import uhn


class Block(nn.Module):
    """Two convolutions with BatchNorm and a shortcut, a projection where the shape changes."""

    def __init__(self, size: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(size, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.shortcut = nn.Sequential()
        if stride != 1 or size != out:
            self.shortcut = nn.Sequential(nn.Conv2d(size, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        inner = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(inner + self.shortcut(x))


def resnet18(width: int) -> nn.Sequential:
    """ResNet-18 for 32 x 32 pictures: 17 convolutions and a linear map; the usual width is 64."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    size = width
    for stage in range(4):
        for number in range(2):
            layers.append(Block(size, width << stage, 2 if stage and not number else 1))
            size = width << stage
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(size, 10))


class ViT(nn.Module):
    """Patches of 4 x 4 pixels, a class token, learned positions, pre-norm encoder layers with four heads."""

    def __init__(self, width: int, depth: int = 4) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, 4)
        self.token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.positions = nn.Parameter(0.02 * torch.randn(1, 65, width))
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, 0.0, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(x), -1, -1), tokens], 1) + self.positions
        return self.head(self.norm(self.encoder(tokens)[:, 0]))


@torch.no_grad()
def evaluate(network: nn.Module, spec: uhn.ModelSpec, flat: Tensor, train: Rows, rows: Rows) -> float:
    """Accuracy on ``rows``; BatchNorms have the statistics of ``train``."""
    if any(isinstance(module, nn.BatchNorm2d) for module in network.modules()):
        network = uhn.recalibrate(network, spec, flat, train[0][:512].split(64))
        return accuracy(torch.cat([network(part) for part in rows[0].split(500)]), rows[1])
    return accuracy(torch.cat([uhn.call(network, spec, flat, part) for part in rows[0].split(500)]), rows[1])


def main() -> None:
    args = arguments(__doc__, steps=600, rows=20000, batch=64)
    if args.quick:
        args.steps, args.rows = 2, 200
    data = images("cifar10", args, args.rows)
    networks = {f"ResNet-18, width {width}": resnet18(width) for width in (4, 6, 8)}
    networks |= {f"ViT, width {width}": ViT(width) for width in (32, 48, 64)}
    specs = {name: uhn.describe(network) for name, network in networks.items()}
    unseen = {"ResNet-18, width 6", "ViT, width 48"}
    seen = [name for name in networks if name not in unseen]
    generator = uhn.UniversalHypernetwork.for_specs(
        [specs[name] for name in seen], hidden=64, frequencies=512, seed=args.seed
    )
    count = sum(parameter.numel() for parameter in generator.parameters())
    print(f"a generator of {count:,} parameters, {args.steps} steps, batch {args.batch}, seed {args.seed}")
    generator.initialise([specs[name] for name in seen], steps=min(60, args.steps))
    reports = uhn.fit(
        generator,
        {specs[name]: data["train"] for name in seen},
        loss=F.cross_entropy,
        modules={specs[name]: networks[name] for name in seen},
        batch_size=args.batch,
        steps=args.steps,
        lr=1e-3,
        warmup=30,
        clip=1.0,
        seed=args.seed,
    )
    print(f"training loss {reports[-1].loss:.3f}")
    most = float(data["test"][1].bincount().max() / len(data["test"][1]))
    print(f"{'network':22} {'weights':>8}  validation    test   (always the most frequent class: {most:.3f})")
    for name, network in networks.items():
        flat = generator(specs[name]).detach()
        val, test = (evaluate(network, specs[name], flat, data["train"], data[split]) for split in ("val", "test"))
        print(f"{name:22} {specs[name].num_params:8,}       {val:.3f}   {test:.3f}   {'unseen' * (name in unseen)}")


if __name__ == "__main__":
    main()
