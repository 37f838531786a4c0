"""The default network, raised on mock galaxies alone: where every other run starts from.

Command:  flaxgal mock snapshots/ --number 8000
          flaxgal train experiments/mocks.py --run runs/mocks
"""

from flaxgal.config import DataConfig, TrainConfig

config = TrainConfig(name="mocks", steps=600, data=DataConfig(snapshots=("snapshots/mocks",)))
