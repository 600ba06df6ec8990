"""What to do about each finding of ``verify``, by its id; a finding itself may know more. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_REBUILD = "build it again: the files are not those that the build wrote"
_LOWER = "build with a lower compile.march, or raise elf.max_march of the policy"
_IMAGE_FILES = "leave the file out of the image, or allow it in the policy"

REMEDIES: Mapping[str, str] = MappingProxyType(
    {
        "elf-damaged": "copy or download the file again, and compare its sha256",
        "elf-machine": "build with the --arch that is meant",
        "elf-soname": "link with -Wl,-soname,NAME",
        "elf-library": "link it statically, leave it out, or add it to elf.allowed_libraries of the policy",
        "elf-version": "build against an older distribution, or raise elf.max_versions of the policy",
        "elf-private-version": "link that library statically, or ship the release of it that was linked with",
        "elf-export-missing": "look for the flag or version script that hides it (-fvisibility=hidden)",
        "elf-export-extra": "hide it with a version script or -fvisibility=hidden",
        "elf-executable-stack": "link with -Wl,-z,noexecstack; an assembler file lacks .note.GNU-stack",
        "elf-relro": "link with -Wl,-z,relro,-z,now",
        "elf-text-relocations": "compile every object with -fPIC",
        "elf-run-path": "set CMAKE_SKIP_RPATH, or a run path that begins with $ORIGIN",
        "elf-not-stripped": "leave compile.strip as it is, or run: strip --strip-unneeded FILE",
        "elf-bind-now": "link with -Wl,-z,now",
        "elf-not-pie": "compile with -fPIE and link with -pie",
        "elf-alignment": "link with -Wl,-z,max-page-size=65536, GNU ld's default for arm64",
        "isa-exceeded": _LOWER,
        "isa-unclear": f"run it on a CPU of the allowed level; if it fails there, {_LOWER}",
        "isa-not-arrived": "look in the log of the compile for the command line: another -march comes later",
        "elf-unoptimised": "look in the log of the compile for -O0, or for another -O that comes later",
        "api-missing": "compare the options of the build with the headers that are shipped",
        "archive-empty": _REBUILD,
        "archive-mixed": "empty the build folder: objects of two builds were put together",
        "archive-bitcode": "set compile.lto=false, or link with the compiler that the manifest names",
        "wheel-tag": "let auditwheel repair choose the tag, or build against an older distribution",
        "wheel-tag-strict": "let auditwheel repair choose the tag",
        "wheel-library": "put the library into the wheel: auditwheel repair does",
        "wheel-machine": "build the wheel for the machine of its tag",
        "wheel-record": "make the wheel again: what changes a wheel also has to write its RECORD",
        "image-architecture": "build with the --arch or --platform that is meant",
        "image-size": "look for what a later layer removes, or raise image.max_uncompressed_mb of the policy",
        "image-root": "set a numeric user: runtime.user, or USER 65532:65532 in a Dockerfile",
        "image-unknown-user": "add the user to /etc/passwd, or name it by its number",
        "image-setid": _IMAGE_FILES,
        "image-shell": "take runtime.base=scratch, or set image.allow_shells in the policy",
        "image-open-directory": "set the sticky bit (chmod 1777), or take the right to write away",
        "image-library-missing": "add the package that has the library",
        "image-version-missing": "take libraries and program from one distribution release",
        "image-label": "build it with this program, or set the label",
        "image-created": "pass SOURCE_DATE_EPOCH to the build",
        "image-owner": "keep the record of its package or wheel, or add /var/lib/db/sbom/NAME.cdx.json",
        "image-nothing": "check the image's name, and what the last stage of its build copies",
        "elf-library-not-found": "set a run path that begins with $ORIGIN, or run ldconfig in the image",
        "file-not-examined": "verify what is inside it, by itself",
        "file-partly-examined": "verify the files that are named by themselves",
        "dist-checksum": _REBUILD,
        "dist-missing": _REBUILD,
        "dist-unlisted": "move the file out of the folder: nothing that a build wrote is unlisted",
        "dist-sums": _REBUILD,
        "signature-missing": "ask who built it for it; of your own build: invoke sign DIST --key KEY",
        "signature-invalid": "get the files and the public key again from who built it; do not use them",
        "signature-mismatch": "get the files again from who built it; do not use them",
        "provenance-missing": "build it again: every build writes provenance.json",
        "provenance-mismatch": _REBUILD,
        "reproducible-missing": "invoke reproduce DIST writes reproducible.json; then sign again",
        "reproducible-mismatch": "invoke reproduce DIST again; it is of an earlier build",
        "reproducible-differs": "invoke reproduce DIST says what differs, and which reasons are known",
        "license-forbidden": "build without that part, or change licenses.forbidden of the policy",
        "license-unknown": "read the texts in share/licenses/, or ignore it in severities of the policy",
        "sbom-missing": "build it again: every build writes sbom.spdx.json and sbom.cdx.json",
        "sbom-mismatch": _REBUILD,
        "dist-nothing": "check the folder's name: PRODUCT/RELEASE/CONFIG/ARCH below dist",
    }
)
