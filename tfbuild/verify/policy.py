"""What is allowed of ELF files and images: policies as data, applied to facts. Pure.

A policy is a file in ``build_configs/policies/``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from packaging.version import InvalidVersion, Version
from pydantic import BaseModel, ConfigDict, Field, field_validator

from tfbuild.artifacts.elf.facts import Relro
from tfbuild.artifacts.isa.march import allowed, x86_names
from tfbuild.base.arch import Arch
from tfbuild.base.text import TextEnum, did_you_mean, matches
from tfbuild.base.values import Finding
from tfbuild.verify.findings import FINDINGS, Observation, Severity


class Requirement(TextEnum):
    """What can be asked of a dist folder, besides that its files are intact."""

    SIGNATURE = "signature"
    SBOM = "sbom"
    PROVENANCE = "provenance"
    REPRODUCIBLE = "reproducible"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


Glob = Annotated[str, Field(min_length=1, description="With * and ? as in file names.")]
VersionText = Annotated[str, Field(pattern=r"^[0-9]{1,9}(\.[0-9]{1,9})*$")]


class ElfRules(_Model):
    """What every ELF file has to hold to."""

    allowed_libraries: tuple[Glob, ...] | None = Field(
        default=None, description="Libraries that may be needed; without it, any."
    )
    max_versions: dict[str, VersionText] = Field(
        default_factory=dict,
        description='Highest symbol version per family, for example GLIBC: "2.36".',
    )
    allow_executable_stack: bool = False
    min_relro: Relro = Field(default=Relro.PARTIAL, description="Least read-only relocation protection.")
    allow_text_relocations: bool = False
    allowed_run_paths: tuple[Glob, ...] | None = Field(
        default=("$ORIGIN*", "${ORIGIN}*"), description="RPATH and RUNPATH entries; null for any."
    )
    require_stripped: bool = False
    require_bind_now: bool = Field(
        default=False, description="All functions are found when a file is loaded."
    )
    min_alignment: dict[Arch, int] = Field(
        default_factory=dict,
        description="Per architecture the largest pages, in bytes, of a kernel that has to load every file.",
    )
    require_pie: bool = Field(default=False, description="Programs can be loaded at any address.")
    unmeasured: tuple[Glob, ...] = Field(
        default=(),
        description="Files of lib/ and bin/ whose instructions are not read: a second takes 5 to 20 MB.",
    )
    plugins: dict[Glob, tuple[Glob, ...]] = Field(
        default_factory=dict,
        description=(
            "Files of a dist folder that a program opens by itself (dlopen), and the libraries that it has "
            "loaded by then: those need no run path to these."
        ),
    )
    max_march: dict[Arch, str] = Field(
        default_factory=dict,
        description="Per architecture the lowest CPU that has to suffice, in the words of GCC's -march.",
    )

    @field_validator("max_march")
    @classmethod
    def _known_march(cls, value: dict[Arch, str]) -> dict[Arch, str]:
        for arch, march in value.items():
            if allowed(march) is None:
                raise ValueError(
                    f"what -march={march} has on {arch} is not known here{did_you_mean(march, x86_names())}"
                )
        return value


class Role(_Model):
    """What a file is there for, told by its name, and what it promises."""

    files: tuple[Glob, ...] = Field(min_length=1, description="File names (without folder) of this role.")
    soname: str | None = Field(default=None, description="Must be exactly this.")
    required_exports: tuple[Glob, ...] = Field(default=(), description="Each must match at least one symbol.")
    allowed_exports: tuple[Glob, ...] | None = Field(default=None, description="Without it, any.")
    complete_api: bool = Field(
        default=False, description="Exports every function that the release's C headers declare."
    )


class ImageRules(_Model):
    """What an image has to hold to."""

    max_uncompressed_mb: float | None = Field(
        default=None, gt=0, description="Sum of the uncompressed layers, in megabytes of 1,000,000 bytes."
    )
    max_uncompressed_mb_from: dict[VersionText, float] = Field(
        default_factory=dict,
        description="The same from a version on, read from the image's label: what is packed has grown.",
    )
    allow_root: bool = False
    allow_setid: bool = False
    allow_shells: bool = False
    allow_open_directories: bool = False
    closure: tuple[Glob, ...] = Field(
        default=(), description="Paths whose libraries must all be in the image, beside the entrypoint's."
    )
    provided: tuple[Glob, ...] = Field(
        default=(),
        description="Libraries that are there without a path to them, such as a GPU's driver.",
    )
    provided_to: dict[Glob, tuple[Glob, ...]] = Field(
        default_factory=dict,
        description="The same for single files, by their paths: a plugin finds those of its host.",
    )
    required_labels: tuple[str, ...] = ()

    def max_mb(self, version: str) -> float | None:
        """The limit of an image whose label says ``version``."""
        try:
            reached = [start for start in self.max_uncompressed_mb_from if Version(start) <= Version(version)]
        except InvalidVersion:
            reached = []
        newest = max(reached, key=Version, default=None)
        return self.max_uncompressed_mb_from[newest] if newest else self.max_uncompressed_mb


class LicenseRules(_Model):
    """Which licences the parts of a result may not have."""

    forbidden: tuple[Glob, ...] = Field(
        default=(),
        description="Names of SPDX, as AGPL-*; of 'A OR B' one may be, an exception is a part of the name.",
    )


class Policy(_Model):
    """One policy file."""

    description: str
    elf: ElfRules = ElfRules()
    roles: dict[str, Role] = Field(default_factory=dict)
    image: ImageRules = ImageRules()
    licenses: LicenseRules = LicenseRules()
    require: tuple[Requirement, ...] = Field(
        default=(),
        description="What a dist folder must have when `invoke verify` looks at it, as --require says it.",
    )
    severities: dict[str, Severity] = Field(
        default_factory=dict,
        description="Findings that are not errors here, by id.",
        json_schema_extra={"propertyNames": {"enum": [*sorted(FINDINGS)]}},
    )

    @field_validator("severities")
    @classmethod
    def _known(cls, value: dict[str, Severity]) -> dict[str, Severity]:
        for name in value:
            if name not in FINDINGS:
                raise ValueError(f"there is no finding '{name}'{did_you_mean(name, FINDINGS)}")
        return value

    def weigh(self, found: Iterable[Observation]) -> tuple[Finding, ...]:
        """Each observation with this policy's severity; those that it ignores are left out."""
        weighed = ((each, self.severity(each.id)) for each in found)
        return tuple(
            Finding(each.id, severity.value, each.message, each.evidence, each.fix)
            for each, severity in weighed
            if severity is not Severity.IGNORE
        )

    def severity(self, finding: str) -> Severity:
        """What the policy says; else what :data:`FINDINGS` says of it."""
        return self.severities.get(finding, FINDINGS[finding].severity)

    def role_for(self, name: str) -> str | None:
        """The name of the first role that a file called ``name`` has."""
        return next((role for role, rules in self.roles.items() if matches(name, rules.files)), None)


def policy_schema() -> dict[str, Any]:
    """JSON schema of a whole policy, one that extends none."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Policy.model_json_schema(),
        "title": "Verification policy",
    }


@dataclass(frozen=True)
class Context:
    """What only the caller knows. An empty context asks for nothing."""

    arch: Arch | None = None
    created: int | None = None  # seconds since 1970, SOURCE_DATE_EPOCH
    labels: Mapping[str, str] = field(default_factory=dict)  # expected values
    exports: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # role: further required exports
    keep_symbols: bool = False  # a debug build is not stripped
    optimised: bool = True  # the build was not asked for code that is not
    march: str | None = None  # what the build was asked for; files of a role must use it and not exceed it
