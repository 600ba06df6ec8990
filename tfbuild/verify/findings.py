"""All that ``verify`` can find: what each finding means, what to do, and how much it weighs. Pure.

Their ids are stable, so that scripts and policies can name them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tfbuild.base.text import TextEnum


class Severity(TextEnum):
    """``error`` fails the verification, ``warning`` is only told, ``ignore`` leaves it out."""

    ERROR = "error"
    WARNING = "warning"
    IGNORE = "ignore"


@dataclass(frozen=True)
class Kind:
    """What is always the same about a finding; an observation may know a better ``remedy``.

    ``severity`` is what it weighs where the ``severities`` of a policy say nothing else.
    """

    means: str
    remedy: str
    severity: Severity = Severity.ERROR


@dataclass(frozen=True)
class Observation:
    """What a check found, before a policy says how much it weighs; ``id`` is one of :data:`FINDINGS`."""

    id: str
    message: str
    evidence: tuple[str, ...] = ()
    fix: str | None = None


_REBUILD = "build it again: the files are not those that the build wrote"
_LOWER = "build with a lower compile.march, or raise elf.max_march of the policy"
_IMAGE_FILES = "leave the file out of the image, or allow it in the policy"

FINDINGS: Mapping[str, Kind] = MappingProxyType(
    {
        "elf-damaged": Kind(
            "the file starts like an ELF file but cannot be read to the end",
            "copy or download the file again, and compare its sha256",
        ),
        "elf-machine": Kind(
            "the file is for another architecture than the one that was built for",
            "build with the --arch that is meant",
        ),
        "elf-soname": Kind(
            "the SONAME is not the one that dependents look for", "link with -Wl,-soname,NAME"
        ),
        "elf-library": Kind(
            "a needed library is not on the policy's list",
            "link it statically, leave it out, or add it to elf.allowed_libraries of the policy",
        ),
        "elf-version": Kind(
            "a newer symbol version is needed than the policy's floor allows",
            "build against an older distribution, or raise elf.max_versions of the policy",
        ),
        "elf-private-version": Kind(
            "a symbol is needed that exists in exactly one release of a library",
            "link that library statically, or ship the release of it that was linked with",
        ),
        "elf-export-missing": Kind(
            "a symbol that the role promises is not exported",
            "look for the flag or version script that hides it (-fvisibility=hidden)",
        ),
        "elf-export-extra": Kind(
            "a symbol is exported that is not part of the role's interface",
            "hide it with a version script or -fvisibility=hidden",
        ),
        "elf-executable-stack": Kind(
            "the stack would be executable: hardened kernels refuse to load the file",
            "link with -Wl,-z,noexecstack; an assembler file lacks .note.GNU-stack",
        ),
        "elf-relro": Kind(
            "relocated data stays writable while the program runs", "link with -Wl,-z,relro,-z,now"
        ),
        "elf-text-relocations": Kind(
            "the code must be modified to load it: SELinux refuses, pages are not shared",
            "compile every object with -fPIC",
        ),
        "elf-run-path": Kind(
            "a run path leads out of the installation, for example into a build tree",
            "set CMAKE_SKIP_RPATH, or a run path that begins with $ORIGIN",
        ),
        "elf-not-stripped": Kind(
            "the symbol table or debug information is still in the file",
            "leave compile.strip as it is, or run: strip --strip-unneeded FILE",
        ),
        "elf-bind-now": Kind(
            "functions are found only when they are called: their table stays writable",
            "link with -Wl,-z,now",
        ),
        "elf-not-pie": Kind(
            "a program is always loaded at the same address", "compile with -fPIE and link with -pie"
        ),
        "elf-alignment": Kind(
            "segments are aligned to less than the pages of some kernels, which do not load it",
            "link with -Wl,-z,max-page-size=65536, GNU ld's default for arm64",
        ),
        "elf-unoptimised": Kind(
            "most of the code was compiled without optimisation: it is many times slower",
            "look in the log of the compile for -O0, or for another -O that comes later",
        ),
        "isa-exceeded": Kind(
            "ordinary code has instructions that a CPU of the allowed level does not have", _LOWER
        ),
        "isa-unclear": Kind(
            "ordinary code may have instructions that a CPU of the allowed level does not have",
            f"run it on a CPU of the allowed level; if it fails there, {_LOWER}",
            Severity.WARNING,
        ),
        "isa-not-arrived": Kind(
            "ordinary code has nothing of what -march allowed: the flag was lost",
            "look in the log of the compile for the command line: another -march comes later",
            Severity.WARNING,
        ),
        "api-missing": Kind(
            "functions that the release's headers declare are not exported",
            "compare the options of the build with the headers that are shipped",
        ),
        "archive-empty": Kind("there is no object in the archive", _REBUILD),
        "archive-mixed": Kind(
            "the objects of an archive are for different machines",
            "empty the build folder: objects of two builds were put together",
        ),
        "archive-bitcode": Kind(
            "objects of an archive are intermediate code: only the same compiler links it",
            "set compile.lto=false, or link with the compiler that the manifest names",
            Severity.WARNING,
        ),
        "wheel-tag": Kind(
            "the platform tag promises older systems than the libraries in the wheel need",
            "let auditwheel repair choose the tag, or build against an older distribution",
        ),
        "wheel-tag-strict": Kind(
            "the platform tag keeps systems out on which the wheel would load",
            "let auditwheel repair choose the tag",
            Severity.WARNING,
        ),
        "wheel-library": Kind(
            "a library in the wheel needs one that neither is in it nor belongs to every system",
            "put the library into the wheel: auditwheel repair does",
        ),
        "wheel-machine": Kind(
            "a library in the wheel is for another machine than the tag says",
            "build the wheel for the machine of its tag",
        ),
        "wheel-record": Kind(
            "files in the wheel are not those that its RECORD names",
            "make the wheel again: a tool that changes a wheel also has to update its RECORD",
        ),
        "image-architecture": Kind(
            "the image is for another platform than the one that was built for",
            "build with the --arch or --platform that is meant",
        ),
        "image-size": Kind(
            "the uncompressed layers are larger than the policy allows",
            "look for files that a later layer removes, or raise image.max_uncompressed_mb",
        ),
        "image-root": Kind(
            "a container would run as root",
            "set a numeric user: runtime.user, or USER 65532:65532 in a Dockerfile",
        ),
        "image-unknown-user": Kind(
            "the image's user is a name that its /etc/passwd does not have",
            "add the user to /etc/passwd, or name it by its number",
        ),
        "image-setid": Kind("a program in the image runs with its owner's or group's rights", _IMAGE_FILES),
        "image-shell": Kind(
            "the image has a shell", "take runtime.base=scratch, or set image.allow_shells in the policy"
        ),
        "image-open-directory": Kind(
            "a directory is writable by all and lacks the sticky bit",
            "set the sticky bit (chmod 1777), or remove the write permission",
        ),
        "image-library-missing": Kind(
            "a needed library is not in the image", "add the package that has the library"
        ),
        "image-version-missing": Kind(
            "a library in the image lacks a symbol version that is needed",
            "take libraries and program from one distribution release",
        ),
        "image-label": Kind(
            "an OCI label is missing or has another value than expected",
            "build it with this program, or set the label",
        ),
        "image-created": Kind(
            "the creation time is not the expected one", "pass SOURCE_DATE_EPOCH to the build"
        ),
        "image-owner": Kind(
            "no record in the image names an ELF file: scanners do not see what it is",
            "keep the record of its package or wheel, or add /var/lib/db/sbom/NAME.cdx.json",
            Severity.WARNING,
        ),
        "image-nothing": Kind(
            "the policy covers no file in the image",
            "check the image's name, and what the last stage of its build copies",
        ),
        "elf-library-not-found": Kind(
            "a needed library is there, but the loader does not look where it is",
            "set a run path that begins with $ORIGIN, or run ldconfig in the image",
        ),
        "file-not-examined": Kind(
            "nothing that runs in it is of a kind that can be examined", "verify its contents separately"
        ),
        "file-partly-examined": Kind(
            "some of what runs in it is of a kind that cannot be examined",
            "verify the named files separately",
            Severity.WARNING,
        ),
        "dist-checksum": Kind("a file differs from its line in SHA256SUMS", _REBUILD),
        "dist-missing": Kind("SHA256SUMS names a file that is not there", _REBUILD),
        "dist-unlisted": Kind(
            "a file is not named in SHA256SUMS",
            "move the file out of the folder: nothing that a build wrote is unlisted",
        ),
        "dist-sums": Kind("SHA256SUMS is missing, or has a line that cannot be used", _REBUILD),
        "dist-nothing": Kind(
            "neither an ELF file nor a static archive in lib/ or bin/",
            "check the folder's name: PRODUCT/RELEASE/CONFIG/ARCH below dist",
        ),
        "signature-missing": Kind(
            "a signature that was asked for is not there",
            "ask its builder for it; for a build of your own: invoke sign DIST --key KEY",
        ),
        "signature-invalid": Kind(
            "a signature is not by the given key, or what it signs was changed",
            "get the files and the public key from their builder again; do not use these",
        ),
        "signature-mismatch": Kind(
            "a signature is right, but of another text than the file beside it",
            "get the files from their builder again; do not use these",
        ),
        "provenance-missing": Kind(
            "there is no provenance, or none that can be read",
            "build it again: every build writes provenance.json",
        ),
        "provenance-mismatch": Kind("the provenance is of other files, or of another build", _REBUILD),
        "reproducible-missing": Kind(
            "nobody built it again, or what that showed cannot be read",
            "invoke reproduce DIST writes reproducible.json; then sign again",
        ),
        "reproducible-mismatch": Kind(
            "what building again showed is about other files",
            "invoke reproduce DIST again; it is of an earlier build",
        ),
        "reproducible-differs": Kind(
            "building it again gave other bytes",
            "invoke reproduce DIST says what differs, and which reasons are known",
        ),
        "license-forbidden": Kind(
            "a part of the result has a licence that the policy forbids",
            "build without that part, or change licenses.forbidden of the policy",
        ),
        "license-unknown": Kind(
            "parts of the result state no licence in SPDX's words",
            "read the texts in share/licenses/, or ignore it in severities of the policy",
            Severity.WARNING,
        ),
        "sbom-missing": Kind(
            "there is no bill of materials, or none that can be read",
            "build it again: every build writes sbom.spdx.json and sbom.cdx.json",
        ),
        "sbom-mismatch": Kind("the bill of materials is of other files, or of another image", _REBUILD),
    }
)
