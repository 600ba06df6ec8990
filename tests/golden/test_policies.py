"""What each shipped policy asks for in the end, whatever it extends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import yaml

from tfbuild.verify.policy_file import policy_names, read_policy

PROJECT = Path(__file__).resolve().parents[2]


def test_effective_policies(golden: Callable[[str, str], None]) -> None:
    policies = {name: read_policy(PROJECT, name).policy for name in policy_names(PROJECT)}
    told = {name: each.model_dump(mode="json", exclude_defaults=True) for name, each in policies.items()}
    golden("policies.yaml", yaml.safe_dump(told, sort_keys=False, width=120))
