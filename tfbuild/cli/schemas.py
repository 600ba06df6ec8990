"""Writes the JSON schemas of the YAML files and of every document that a command prints or writes.

Those of inputs lie beside the files that they describe, in build_configs/; those of outputs lie in schemas/.

``python -m tfbuild.cli.schemas`` writes them, ``--check`` exits 1 where a stored one is out of date.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tfbuild.artifacts.elf.c_api import ApiList
from tfbuild.artifacts.platforms import Platforms
from tfbuild.build.again.known import known_causes_schema
from tfbuild.build.again.updates import OutdatedDocument
from tfbuild.build.again.verdict import Verdict
from tfbuild.build.bundle.file import Bundle, BundleDocument
from tfbuild.build.dist.folder import BuildDocument
from tfbuild.build.dist.manifest import Manifest, VerifyRecord
from tfbuild.build.matrix.report import BuildAllDocument
from tfbuild.build.several import IndexDocument, IndexManifest
from tfbuild.cli.cleaning import CleanDocument
from tfbuild.cli.guide.about import VersionDocument
from tfbuild.cli.guide.configs import ShownConfig, WrittenConfig
from tfbuild.cli.guide.explain import Explanations
from tfbuild.cli.guide.keys import KeyList
from tfbuild.cli.guide.room import RoomTaken
from tfbuild.cli.line.error_document import ErrorDocument
from tfbuild.cli.line.signing import SignDocument
from tfbuild.cli.lists import ConfigList, ReleaseList
from tfbuild.cli.lock import LockDocument
from tfbuild.cli.machine import SetupDocument
from tfbuild.cli.reference.json_schema import (
    JsonObject,
    config_schema,
    document_schema,
    release_schema,
    schema_of,
)
from tfbuild.cli.registry.pull import PullDocument
from tfbuild.cli.registry.push import PushDocument
from tfbuild.cli.supply import FetchResult
from tfbuild.cli.trying.comparing import CompareDocument, ReportDocument
from tfbuild.cli.trying.measuring import BenchmarkDocument
from tfbuild.cli.trying.running import RunDocument
from tfbuild.cli.trying.shell import ShellDocument
from tfbuild.config.compilers.cpus import CompilerCpus
from tfbuild.config.cpus import Cpus
from tfbuild.diagnose.diagnose import DiagnoseReport
from tfbuild.diagnose.host import TargetHost
from tfbuild.diagnose.known import known_errors_schema
from tfbuild.doctor.doctor import DoctorReport
from tfbuild.engine.nodes import NodeKeys
from tfbuild.machine.terminal import write_lines
from tfbuild.plan.matrix.file import MatrixFile
from tfbuild.plan.matrix.show import MatrixPlanDocument
from tfbuild.plan.plan import PlanDocument
from tfbuild.plan.several import IndexPlanDocument
from tfbuild.products.serving.upstream import UpstreamReport
from tfbuild.releases.lock import Lock
from tfbuild.releases.programs import Programs
from tfbuild.verify.policy_file import policy_file_schema
from tfbuild.verify.report import VerifyReport

# Each type of a JSON document with the name of its schema in schemas/ and its title.
_DOCUMENTS: tuple[tuple[Any, str, str], ...] = (
    (PlanDocument, "plan", "invoke build-tflite or build-serving --dry-run --json"),
    (BuildDocument, "build-result", "invoke build-tflite --json"),
    (MatrixPlanDocument, "matrix-plan", "invoke build-all --dry-run --json"),
    (BuildAllDocument, "build-all", "invoke build-all --json"),
    (IndexPlanDocument, "index-plan", "invoke build-tflite or build-serving --arch A,B --dry-run --json"),
    (IndexDocument, "index-result", "invoke build-tflite or build-serving --arch A,B --json"),
    (IndexManifest, "index-manifest", "manifest.json of the folder of an image of several platforms"),
    (Manifest, "manifest", "manifest.json of a dist folder"),
    (VerifyRecord, "dist-verify", "verify.json of a dist folder"),
    (VerifyReport, "verify", "invoke verify --json"),
    (ConfigList, "list-configs", "invoke list-configs --json"),
    (ReleaseList, "list-releases", "invoke list-releases --json"),
    (KeyList, "list-keys", "invoke list-keys --json"),
    (ShownConfig, "show-config", "invoke show-config --json"),
    (Explanations, "explain", "invoke explain --json"),
    (VersionDocument, "version", "invoke version --json"),
    (RoomTaken, "du", "invoke du --json"),
    (FetchResult, "fetch", "invoke fetch --json"),
    (Bundle, "bundle", "bundle.json in a bundle"),
    (BundleDocument, "bundle-result", "invoke bundle --json"),
    (UpstreamReport, "check-upstream", "invoke check-upstream --json"),
    (DoctorReport, "doctor", "invoke doctor --json"),
    (DiagnoseReport, "diagnose", "invoke diagnose --json"),
    (TargetHost, "host-facts", "invoke diagnose --host-facts"),
    (LockDocument, "lock-result", "invoke lock --json"),
    (SetupDocument, "setup", "invoke setup --json"),
    (CleanDocument, "clean", "invoke clean --json"),
    (OutdatedDocument, "outdated", "invoke outdated --json"),
    (Verdict, "reproduce", "invoke reproduce --json, and reproducible.json of a dist folder"),
    (SignDocument, "sign", "invoke sign --json"),
    (PushDocument, "push", "invoke push --json"),
    (PullDocument, "pull", "invoke pull --json"),
    (WrittenConfig, "new-config", "invoke new-config --json"),
    (CompareDocument, "compare", "invoke compare --json"),
    (ReportDocument, "report", "invoke report --json"),
    (BenchmarkDocument, "benchmark", "invoke benchmark --json"),
    (RunDocument, "run", "invoke run --json"),
    (ShellDocument, "shell", "invoke shell --command --json"),
    (ErrorDocument, "error", "any command with --json that ends with an error"),
)


@cache
def documents() -> Mapping[str, str]:
    """The text of each schema file, by its path in the project."""
    return {
        "build_configs/schema.json": _text(config_schema()),
        "build_configs/node.schema.json": _text(
            schema_of(NodeKeys, "tfbuild node: a docker context that builds")
        ),
        "build_configs/matrix.schema.json": _text(schema_of(MatrixFile, "tfbuild matrix of builds")),
        "build_configs/releases/schema.json": _text(release_schema()),
        "build_configs/policies/schema.json": _text(policy_file_schema()),
        "build_configs/platforms/schema.json": _text(schema_of(Platforms, "Linux platforms")),
        "build_configs/platforms/cpus.schema.json": _text(schema_of(Cpus, "CPUs and what they have")),
        "build_configs/platforms/programs.schema.json": _text(
            schema_of(Programs, "Programs that an old Debian has too old")
        ),
        "build_configs/compilers/schema.json": _text(schema_of(CompilerCpus, "CPUs that a compiler knows")),
        "build_configs/api/schema.json": _text(schema_of(ApiList, "C functions of a release")),
        "build_configs/diagnoses/schema.json": _text(known_errors_schema()),
        "build_configs/diagnoses/differences.schema.json": _text(known_causes_schema()),
        "build_configs/releases/lock.schema.json": _text(document_schema(Lock, "tfbuild lock of a release")),
        **{
            f"schemas/{name}.schema.json": _text(document_schema(document, title))
            for document, name, title in _DOCUMENTS
        },
    }


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tfbuild.cli.schemas", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when out of date")
    check = parser.parse_args(arguments).check
    root = Path(__file__).resolve().parents[2]
    stale = [path for path, text in documents().items() if _stored(root / path) != text]
    for path in stale:
        if check:
            write_lines([f"{path} is out of date: python -m tfbuild.cli.schemas"], sys.stderr)
        else:
            (root / path).parent.mkdir(exist_ok=True)
            (root / path).write_text(documents()[path], encoding="utf-8")
            write_lines([f"wrote {path}"], sys.stderr)
    return 1 if check and stale else 0


def _text(schema: JsonObject) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _stored(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
