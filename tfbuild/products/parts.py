"""What the plan of one product may have besides what every plan has."""

from __future__ import annotations

from typing import TypeAlias

from tfbuild.products.keras.part import KerasPart
from tfbuild.products.serving.part import ServingPart
from tfbuild.products.tflite.part import TflitePart, WheelPart

Part: TypeAlias = TflitePart | WheelPart | ServingPart | KerasPart
