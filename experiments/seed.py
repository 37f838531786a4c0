"""The seed's network and recipe, as far as they are known, on mocks: plain U-Net, cross-entropy, Adam, batch 16.

Command:  flaxgal mock snapshots/ --number 8000
          flaxgal train experiments/seed.py --run runs/seed
"""

from flaxgal.config import SEED_UNET, AugmentConfig, DataConfig, LossConfig, OptimizerConfig, TrainConfig

config = TrainConfig(
    name="seed",
    steps=1200,
    patience=3,
    data=DataConfig(snapshots=("snapshots/mocks",), batch_size=16),
    model=SEED_UNET,
    augment=AugmentConfig(
        zoom=(1.0, 1.0), shift=0.25, brightness=(1.0, 1.0), gamma=(1.0, 1.0), sky=0.0, noise=0.0, blur_pixels=0.0
    ),
    loss=LossConfig(bce=1.0, dice=0.0),
    optimizer=OptimizerConfig(learning_rate=1e-3, weight_decay=0.0, average_decay=0.0),
)
