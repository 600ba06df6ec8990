"""Reads a policy with all that it ``extends``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfbuild.base.documents import fingerprint
from tfbuild.base.places import is_path
from tfbuild.config.binding import bound
from tfbuild.config.extends import EXTENDS, read_chain
from tfbuild.machine.files import hash_file
from tfbuild.verify.policy import Policy, policy_schema

POLICY_FOLDER = Path("build_configs", "policies")
# What a policy says of itself only.
_OWN = frozenset({"description"})


@dataclass(frozen=True)
class PolicyFile:
    """The effective policy, and the files that say it: what it extends first, itself last."""

    policy: Policy
    files: tuple[Path, ...]

    @property
    def sha256(self) -> str:
        """Another one when any file of the chain has changed. Of one file: its own."""
        hashes = [hash_file(each) for each in self.files]
        return hashes[0] if len(hashes) == 1 else fingerprint(hashes)


def policy_names(root: Path) -> tuple[str, ...]:
    """The policies of the project in ``root``."""
    return tuple(sorted(path.stem for path in (root / POLICY_FOLDER).glob("*.yaml")))


def policy_path(name: str) -> str:
    """The file of a policy, from the project's root: the name may be a path itself."""
    return name if is_path(name) else f"{POLICY_FOLDER}/{name}.yaml"


def read_policy(root: Path, name: str) -> PolicyFile:
    """The policy ``name`` of the project in ``root``, or that of the file that ``name`` is the path of.

    What it extends is a policy of the project, or by its path another file.

    :raises ConfigError: a file of the chain is no valid policy; all problems of all files at once.
    """
    shipped = name in policy_names(root)
    shown = policy_path(name) if shipped else name
    file = root / shown
    chain = read_chain(file, shown, root / POLICY_FOLDER, str(POLICY_FOLDER))
    document = chain.merged(_OWN)
    return PolicyFile(bound(document, Policy, elsewhere=(EXTENDS,)), chain.files)


def policy_file_schema() -> dict[str, Any]:
    """JSON schema of a policy file: a policy that may extend another one, and append to its lists.

    build_configs/policies/schema.json is its copy.
    """
    schema = policy_schema()
    names = {"type": "string", "description": "The policy that this one differs from."}
    schema["properties"] = {EXTENDS: names, **schema["properties"]}
    for group in schema["$defs"].values():
        for key, value in list(group.get("properties", {}).items()):
            forms = (value, *value.get("anyOf", ()))
            if items := next((each["items"] for each in forms if each.get("type") == "array"), None):
                text = f"Appends to '{key}' of the policy that this one extends."
                group["properties"][f"{key}+"] = {"type": "array", "items": items, "description": text}
    # A role of the policy below may be changed in part; without one it has to be whole.
    required = schema["$defs"]["Role"].pop("required")
    whole = {"properties": {"roles": {"additionalProperties": {"required": required}}}}
    schema["if"], schema["then"] = {"not": {"required": [EXTENDS]}}, whole
    return schema
