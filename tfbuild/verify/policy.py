"""What is allowed of ELF files and images: policies as data, applied to facts. Pure.

A policy is a file in ``build_configs/policies/``; :data:`FINDINGS` is the table of all findings, whose
ids are stable, so that scripts and policies can name them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Any

from packaging.version import InvalidVersion, Version
from pydantic import BaseModel, ConfigDict, Field, field_validator

from tfbuild.artifacts.elf.facts import Relro
from tfbuild.artifacts.isa.march import allowed, x86_names
from tfbuild.base.arch import Arch
from tfbuild.base.text import TextEnum, did_you_mean, matches
from tfbuild.base.values import Finding


class Severity(TextEnum):
    """``error`` fails the verification, ``warning`` is only told, ``ignore`` leaves it out."""

    ERROR = "error"
    WARNING = "warning"
    IGNORE = "ignore"


class Requirement(TextEnum):
    """What can be asked of a dist folder, besides that its files are intact."""

    SIGNATURE = "signature"
    SBOM = "sbom"
    PROVENANCE = "provenance"
    REPRODUCIBLE = "reproducible"


# id: what it means. All but those in _WARNINGS are errors unless a policy's ``severities`` says otherwise.
FINDINGS: Mapping[str, str] = MappingProxyType(
    {
        "elf-damaged": "the file starts like an ELF file but cannot be read to the end",
        "elf-machine": "the file is for another architecture than the one that was built for",
        "elf-soname": "the SONAME is not the one that dependents look for",
        "elf-library": "a needed library is not on the policy's list",
        "elf-version": "a newer symbol version is needed than the policy's floor allows",
        "elf-private-version": "a symbol is needed that exists in exactly one release of a library",
        "elf-export-missing": "a symbol that the role promises is not exported",
        "elf-export-extra": "a symbol is exported that is not part of the role's interface",
        "elf-executable-stack": "the stack would be executable: hardened kernels refuse to load the file",
        "elf-relro": "relocated data stays writable while the program runs",
        "elf-text-relocations": "the code must be modified to load it: SELinux refuses, pages are not shared",
        "elf-run-path": "a run path leads out of the installation, for example into a build tree",
        "elf-not-stripped": "the symbol table or debug information is still in the file",
        "elf-bind-now": "functions are found only when they are called: their table stays writable",
        "elf-not-pie": "a program is always loaded at the same address",
        "elf-alignment": "segments are aligned to less than the pages of some kernels, which do not load it",
        "elf-unoptimised": "most of the code was compiled without optimisation: it is many times slower",
        "isa-exceeded": "ordinary code has instructions that a CPU of the allowed level does not have",
        "isa-unclear": "perhaps ordinary code has instructions that a CPU of the allowed level does not have",
        "isa-not-arrived": "ordinary code has nothing of what -march allowed: the flag got lost",
        "api-missing": "functions that the release's headers declare are not exported",
        "archive-empty": "there is no object in the archive",
        "archive-mixed": "the objects of an archive are for different machines",
        "archive-bitcode": "objects of an archive are intermediate code: only the same compiler links it",
        "wheel-tag": "the platform tag promises older systems than the libraries in the wheel need",
        "wheel-tag-strict": "the platform tag keeps systems out on which the wheel would load",
        "wheel-library": "a library in the wheel needs one that neither is in it nor belongs to every system",
        "wheel-machine": "a library in the wheel is for another machine than the tag says",
        "wheel-record": "files in the wheel are not those that its RECORD names",
        "image-architecture": "the image is for another platform than the one that was built for",
        "image-size": "the uncompressed layers are larger than the policy allows",
        "image-root": "a container would run as root",
        "image-unknown-user": "the image's user is a name that its /etc/passwd does not have",
        "image-setid": "a program in the image runs with its owner's or group's rights",
        "image-shell": "the image has a shell",
        "image-open-directory": "a directory is writable by all and lacks the sticky bit",
        "image-library-missing": "a needed library is not in the image",
        "image-version-missing": "a library in the image lacks a symbol version that is needed",
        "image-label": "an OCI label is missing or has another value than expected",
        "image-created": "the creation time is not the expected one",
        "image-owner": "no record in the image names an ELF file: scanners do not see what it is",
        "image-nothing": "the policy covers no file in the image",
        "elf-library-not-found": "a needed library is there, but the loader does not look where it is",
        "file-not-examined": "nothing that runs in it is of a kind that is understood here",
        "file-partly-examined": "some of what runs in it is of a kind that is not understood here",
        "dist-checksum": "a file differs from its line in SHA256SUMS",
        "dist-missing": "SHA256SUMS names a file that is not there",
        "dist-unlisted": "a file is not named in SHA256SUMS",
        "dist-sums": "SHA256SUMS is missing, or has a line that cannot be used",
        "dist-nothing": "neither an ELF file nor a static archive in lib/ or bin/",
        "signature-missing": "a signature that was asked for is not there",
        "signature-invalid": "a signature is not by the given key, or what it signs was changed",
        "signature-mismatch": "a signature is right, but of another text than the file beside it",
        "provenance-missing": "there is no provenance, or none that can be read",
        "provenance-mismatch": "the provenance is of other files, or of another build",
        "reproducible-missing": "nobody built it again, or what that showed cannot be read",
        "reproducible-mismatch": "what building again showed is about other files",
        "reproducible-differs": "building it again gave other bytes",
        "license-forbidden": "a part of the result has a licence that the policy forbids",
        "license-unknown": "parts of the result state no licence in SPDX's words",
        "sbom-missing": "there is no bill of materials, or none that can be read",
        "sbom-mismatch": "the bill of materials is of other files, or of another image",
    }
)


# Told, but no reason to fail, unless a policy says so.
_WARNINGS = frozenset(
    {
        "isa-unclear",
        "isa-not-arrived",
        "archive-bitcode",
        "image-owner",
        "wheel-tag-strict",
        "file-partly-examined",
        "license-unknown",
    }
)


@dataclass(frozen=True)
class Observation:
    """What a check found, before a policy says how much it weighs; ``id`` is one of :data:`FINDINGS`."""

    id: str
    message: str
    evidence: tuple[str, ...] = ()
    fix: str | None = None


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
        mild = Severity.WARNING if finding in _WARNINGS else Severity.ERROR
        return self.severities.get(finding, mild)

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
