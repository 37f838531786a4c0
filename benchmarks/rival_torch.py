"""The same networks in PyTorch: channels-last, compiled where that works. Times its own steps for `unet.py`."""

import torch
from torch import nn
from torch.nn import functional

from flaxgal.config import UNetConfig

__all__ = ["Rival"]


class PlainBlock(nn.Module):
    def __init__(self, channels, out, rate):
        super().__init__()
        self.first = nn.Conv2d(channels, out, 3, padding=1)
        self.second = nn.Conv2d(out, out, 3, padding=1)
        self.dropout = nn.Dropout(rate)

    def forward(self, image):
        return functional.relu(self.second(self.dropout(functional.relu(self.first(image)))))


class ResidualBlock(nn.Module):
    def __init__(self, channels, rate):
        super().__init__()
        self.first_norm = nn.GroupNorm(max(1, channels // 8), channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second_norm = nn.GroupNorm(max(1, channels // 8), channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.dropout = nn.Dropout(rate)

    def forward(self, image):
        change = self.first(functional.relu(self.first_norm(image)))
        return image + self.second(self.dropout(functional.relu(self.second_norm(change))))


class PlainUNet(nn.Module):
    def __init__(self, config: UNetConfig):
        super().__init__()
        widths, rates = config.widths, config.level_dropout
        inputs = (len(config.bands), *widths)
        coarse = range(len(widths) - 1)
        self.down = nn.ModuleList(PlainBlock(a, b, rate) for a, b, rate in zip(inputs, widths, rates, strict=False))
        self.rise = nn.ModuleList(nn.ConvTranspose2d(widths[i + 1], widths[i], 2, stride=2) for i in coarse)
        self.up = nn.ModuleList(PlainBlock(2 * widths[i], widths[i], rates[i]) for i in coarse)
        self.head = nn.Conv2d(widths[0], len(config.classes), 1)

    def forward(self, image):
        levels = []
        for number, block in enumerate(self.down):
            image = block(functional.max_pool2d(image, 2) if number else image)
            levels.append(image)
        image = levels.pop()
        for level in reversed(range(len(levels))):
            image = self.up[level](torch.cat([self.rise[level](image), levels[level]], 1))
        return self.head(image)


class ResidualUNet(nn.Module):
    def __init__(self, config: UNetConfig):
        super().__init__()
        widths, rates, blocks = config.widths, config.level_dropout, config.level_blocks
        coarse = range(len(widths) - 1)

        def stage(level):
            return nn.Sequential(*[ResidualBlock(widths[level], rates[level]) for _ in range(blocks[level])])

        self.stem = nn.Conv2d(len(config.bands), widths[0], 3, padding=1)
        self.sink = nn.ModuleList(nn.Conv2d(widths[i], widths[i + 1], 2, stride=2) for i in coarse)
        self.down = nn.ModuleList(stage(i) for i in range(len(widths)))
        self.rise = nn.ModuleList(nn.ConvTranspose2d(widths[i + 1], widths[i], 2, stride=2) for i in coarse)
        self.up = nn.ModuleList(stage(i) for i in coarse)
        self.norm = nn.GroupNorm(max(1, widths[0] // 8), widths[0])
        self.head = nn.Conv2d(widths[0], len(config.classes), 3, padding=1)

    def forward(self, image):
        levels = []
        for number, blocks in enumerate(self.down):
            image = blocks(self.sink[number - 1](image) if number else self.stem(image))
            levels.append(image)
        image = levels.pop()
        for level in reversed(range(len(levels))):
            image = self.up[level](self.rise[level](image) + levels[level])
        return self.head(functional.relu(self.norm(image)))


class Rival:
    """PyTorch, as the worker of `unet.py` talks to it."""

    def __init__(self, *, compiled: bool):
        self.compiled = compiled
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.set_float32_matmul_precision("high")  # TF32 on a GPU, which XLA and TensorFlow use unasked
        torch.backends.cudnn.benchmark = True

    def describe(self) -> dict:
        name = torch.cuda.get_device_name(0) if self.device.type == "cuda" else "cpu"
        return {"torch": torch.__version__, "device": name, "threads": torch.get_num_threads()}

    def finish(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def network(self, config: UNetConfig) -> nn.Module:
        model = (PlainUNet if config.block == "plain" else ResidualUNet)(config)
        return model.to(self.device, memory_format=torch.channels_last)

    def arrays(self, config: UNetConfig, batch: int):
        shape = (batch, len(config.bands), config.image_size, config.image_size)
        image = torch.rand(shape, device=self.device).to(memory_format=torch.channels_last)
        return image, (torch.rand((batch, len(config.classes), *shape[2:]), device=self.device) < 0.1).float()

    def cast(self, config: UNetConfig):
        return torch.autocast(self.device.type, torch.bfloat16, enabled=config.dtype == "bfloat16")

    def train(self, config: UNetConfig, batch: int, *, augment: bool, scan: bool):
        if augment or scan:
            return None
        model = self.network(config).train()
        image, target = self.arrays(config, batch)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)

        def loss_of(image, target):
            with self.cast(config):
                logits = model(image)
            return functional.binary_cross_entropy_with_logits(logits.float(), target)

        loss_of = torch.compile(loss_of) if self.compiled else loss_of

        def run(steps):
            for _ in range(steps):
                optimizer.zero_grad(set_to_none=True)
                loss_of(image, target).backward()
                optimizer.step()
            self.finish()

        return run, sum(p.numel() for p in model.parameters())

    def predict(self, config: UNetConfig, batch: int):
        model = self.network(config).eval()
        image, _ = self.arrays(config, batch)

        def probability(image):
            with self.cast(config):
                return torch.sigmoid(model(image).float())

        probability = torch.compile(probability) if self.compiled else probability

        def run(steps):
            with torch.inference_mode():
                for _ in range(steps):
                    probability(image)
            self.finish()

        return run, sum(p.numel() for p in model.parameters())

    def matmul(self, dtype: str, size: int):
        a, b = (torch.rand((size, size), device=self.device, dtype=getattr(torch, dtype)) for _ in range(2))

        def run(steps):
            for _ in range(steps):
                torch.matmul(a, b)
            self.finish()

        return run, 0
