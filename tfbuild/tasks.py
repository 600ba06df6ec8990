"""The commands: signatures and help only; the work is in ``tfbuild/cli/``.

``from tfbuild.tasks import *`` in a ``tasks.py`` makes them commands of ``invoke`` in that folder, beside the
tasks that are there.
"""

from __future__ import annotations

from dataclasses import replace

from invoke.context import Context
from invoke.main import program
from invoke.tasks import task

from tfbuild.cli.run import AllOptions, BuildOptions, SelectOptions, friendly, help_of, with_options
from tfbuild.cli.usage import exit_with_usage, list_in_groups

__all__ = [
    "benchmark",
    "build_all",
    "build_keras",
    "build_serving",
    "build_tflite",
    "bundle",
    "check_upstream",
    "clean",
    "compare",
    "diagnose",
    "doctor",
    "du",
    "explain",
    "fetch",
    "list_configs",
    "list_keys",
    "list_releases",
    "lock",
    "new_config",
    "outdated",
    "pull",
    "push",
    "report",
    "reproduce",
    "run",
    "setup",
    "shell",
    "show_config",
    "test",
    "verify",
    "version",
]

exit_with_usage(program)

_BUILD = help_of(BuildOptions)
_SELECT = help_of(SelectOptions)


@task(
    auto_shortflags=False,
    iterable=["set", "model"],
    help={
        **_BUILD,
        "from": "source or wheel [source]",
        "model": "a .tflite file: only operators of such models are linked; may be repeated",
    },
)
@friendly
@with_options(BuildOptions)
def build_tflite(
    _context: Context, options: BuildOptions, from_: str = "source", model: list[str] | None = None
) -> int:
    """Build libtensorflowlite.so, the C library, headers, benchmark_model and their runtime image.

    invoke build-tflite
    invoke build-tflite --arch arm64
    invoke build-tflite --config size --set compile.lto=true --name lto --dry-run
    invoke build-tflite --config size --model detect.tflite --model classify.tflite
    """
    from tfbuild.cli.build import build, with_models

    return build("tflite", with_models(replace(options.words(), origin=from_), model or ()), options)


@task(
    auto_shortflags=False,
    iterable=["set"],
    help={
        **_BUILD,
        "from": "source: Bazel compiles TensorFlow; wheel: its official wheel is linked in [source]",
        "model": "a SavedModel folder (MODEL/1/saved_model.pb) to put into the image",
    },
)
@friendly
@with_options(BuildOptions)
def build_serving(context: Context, options: BuildOptions, from_: str = "", model: str = "") -> int:
    """Build tensorflow_model_server and its runtime image. Words after -- go to Bazel as they are.

    invoke build-serving --dry-run
    invoke build-serving --from wheel --dry-run
    invoke build-serving --release 2.19.1 --config portable --model ./half_plus_two
    invoke build-serving --set serving.monitoring.prometheus=true -- --copt=-fno-plt
    """
    from tfbuild.cli.build import build

    words = replace(options.words(), origin=from_, model=model, raw=context.remainder)
    return build("serving", words, options)


@task(
    auto_shortflags=False,
    iterable=["set"],
    help={
        **_BUILD,
        "variant": "cpu or gpu [cpu]",
        "app": "a folder with a program, and a requirements.txt if it needs packages: /app in the image",
        "model": "a .keras or .h5 file, or a SavedModel folder: /models/NAME in the image",
    },
)
@friendly
@with_options(BuildOptions)
def build_keras(
    _context: Context, options: BuildOptions, variant: str = "", app: str = "", model: str = ""
) -> int:
    """Build an image with TensorFlow and Keras from pinned wheels, with a program and a model in it.

    invoke build-keras
    invoke build-keras --release 2.20.0 --variant gpu --dry-run
    invoke build-keras --app ./train
    """
    from tfbuild.cli.build import build

    return build("keras", replace(options.words(), variant=variant, app=app, model=model), options)


@task(
    auto_shortflags=False,
    positional=["file"],
    help={
        **help_of(AllOptions),
        "file": "the matrix: products, releases, configurations, architectures, and builds by name",
    },
)
@friendly
@with_options(AllOptions)
def build_all(_context: Context, options: AllOptions, file: str) -> int:
    """Build all that a matrix file asks for, several at a time; one table at the end, exit code of the worst.

    invoke build-all matrix.yaml --dry-run
    invoke build-all matrix.yaml --keep-going --junit report.xml
    """
    from tfbuild.cli.many.build_all import build_all

    return build_all(file, options)


@task(
    auto_shortflags=False,
    iterable=["set"],
    help={
        **_SELECT,
        "name": _BUILD["name"],
        "product": "tflite, serving or keras",
        "variant": "for keras: cpu or gpu [cpu]",
        "app": "for keras: the application's folder",
        "file": "the bundle to write",
        "load": "a bundle to check in full and put into the cache",
    },
)
@friendly
@with_options(SelectOptions)
def bundle(
    context: Context,
    options: SelectOptions,
    product: str = "",
    variant: str = "",
    app: str = "",
    name: str = "",
    file: str = "",
    load: str = "",
) -> int:
    """Write one file with all that a build needs; load it where there is no network, for builds --offline.

    invoke bundle --product tflite --release 2.14.1-debian --file tflite.bundle
    invoke bundle --load tflite.bundle
    """
    from tfbuild.cli.supply import bundle

    words = replace(options.words(), variant=variant, app=app, name=name, raw=context.remainder)
    return bundle(product, words, file, load, as_json=options.json)


@task(
    auto_shortflags=False,
    help={
        "clone": "a clone of github.com/tensorflow/serving, bare or not",
        "release": "a pinned release of serving [the newest]",
        "write-list": "write RELEASE.sources.json first, of a release that is linked with a wheel",
        "json": "machine-readable",
    },
)
@friendly
def check_upstream(
    _context: Context, clone: str = "", release: str = "", write_list: bool = False, json: bool = False
) -> int:
    """Compare what a release file says of upstream with a clone of it; exit 0 or 7.

    invoke check-upstream --clone ~/src/serving --release 2.19.1
    """
    from tfbuild.cli.inspect import check_upstream

    return check_upstream(clone, release, write_list=write_list, as_json=json)


@task(
    auto_shortflags=False,
    iterable=["set"],
    help={
        **_SELECT,
        "product": "tflite, serving or keras",
        "config": "a build configuration, for its mirrors [opt]",
        "variant": "cpu or gpu, for releases that have both [cpu]",
        "offline": "check what is cached; download nothing",
    },
)
@friendly
@with_options(SelectOptions)
def fetch(
    _context: Context, options: SelectOptions, product: str, variant: str = "", offline: bool = False
) -> int:
    """Download and check the pinned files of a release; print where they are."""
    from tfbuild.cli.supply import fetch

    words = replace(options.words(), variant=variant)
    return fetch(product, words, offline=offline, as_json=options.json)


@task(
    auto_shortflags=False,
    help={
        "product": "tflite, serving or keras",
        "release": _SELECT["release"],
        "check": "write nothing; exit 7 if the lock would change",
        "clones": "folder of git clones, HOST/OWNER/NAME or NAME, to use instead of the network",
        "mirror": "folder to copy the archives to, as TFBUILD_MIRRORS=https://=FOLDER/ finds them",
        "without-source": "read the build files that the release file names, instead of the whole source",
        "app": "with keras: write the lock of this program's requirements.txt instead",
        "json": "machine-readable",
    },
)
@friendly
def lock(
    _context: Context,
    product: str,
    release: str = "",
    check: bool = False,
    clones: str = "",
    mirror: str = "",
    app: str = "",
    without_source: bool = False,
    json: bool = False,
) -> int:
    """Write the release's lock: every download that its build makes, each with its hash.

    invoke lock --product keras --release 2.21.0
    invoke lock --product keras --release 2.21.0 --app ./train
    invoke lock --product tflite --release 2.20.0
    invoke lock --product tflite --release 2.14.1 --clones ~/src --check
    """
    from tfbuild.cli.lock import lock

    return lock(
        product,
        release,
        check=check,
        clones=clones,
        mirror=mirror,
        app=app,
        without_source=without_source,
        as_json=json,
    )


@task(
    auto_shortflags=False,
    positional=["word"],
    help={"word": "the id of a finding, an exit code, or a state such as pinned", "json": "machine-readable"},
)
@friendly
def explain(_context: Context, word: str, json: bool = False) -> int:
    """Explain a finding of verify or diagnose, an exit code or a state, and say what to do.

    invoke explain elf-version
    invoke explain 7
    """
    from tfbuild.cli.guide.explain import explain

    return explain(word, as_json=json)


@task(
    auto_shortflags=False,
    positional=["prefix"],
    help={"prefix": "only keys that begin with this, such as compile. [all]", "json": "machine-readable"},
)
@friendly
def list_keys(_context: Context, prefix: str, json: bool = False) -> int:
    """List the keys of configurations and of --set: type, default, who reads them, what they do.

    invoke list-keys
    invoke list-keys compile.
    """
    from tfbuild.cli.guide.keys import list_keys

    return list_keys(prefix, as_json=json)


@task(
    auto_shortflags=False,
    iterable=["set"],
    positional=["name"],
    help={
        "name": "a configuration; invoke list-configs [opt]",
        "product": "only the keys that this product reads: tflite, serving or keras",
        "arch": "one architecture: amd64, arm64 or another [this machine's]",
        "set": _SELECT["set"],
        "all": "the built-in defaults too",
        "json": "machine-readable; always has all",
    },
)
@friendly
def show_config(
    _context: Context,
    name: str,
    product: str = "",
    arch: str = "",
    set: list[str] | None = None,
    all: bool = False,
    json: bool = False,
) -> int:
    """Show the values of a configuration, each with the file and line that gives it.

    invoke show-config size
    invoke show-config opt --product serving --arch arm64 --json
    """
    from tfbuild.cli.guide.configs import ShowRequest, show_config

    request = ShowRequest(name=name, product=product, arch=arch, sets=tuple(set or ()), everything=all)
    return show_config(request, as_json=json)


@task(
    auto_shortflags=False,
    positional=["name"],
    help={
        "name": "name of the new configuration",
        "extends": "the configuration whose values hold unless the new one gives others [opt]",
        "description": "a sentence for invoke list-configs",
        "json": "machine-readable",
    },
)
@friendly
def new_config(
    _context: Context, name: str, extends: str = "", description: str = "", json: bool = False
) -> int:
    """Write a small file for a configuration of your own into build_configs/, with comments.

    invoke new-config pi4-small --extends cortex-a72 --description "Raspberry Pi 4, small"
    """
    from tfbuild.cli.guide.configs import new_config

    return new_config(name, extends, description, as_json=json)


@task(auto_shortflags=False, help={"json": "machine-readable"})
@friendly
def version(_context: Context, json: bool = False) -> int:
    """Print the version of this program, with its revision and its Python."""
    from tfbuild.cli.guide.about import version

    return version(as_json=json)


@task(
    auto_shortflags=False,
    help={"output": "the folder that builds wrote to [dist]", "json": "machine-readable, in bytes"},
)
@friendly
def du(_context: Context, output: str = "", json: bool = False) -> int:
    """Show what results, caches and the engine hold of this program, with the command that frees it."""
    from tfbuild.cli.guide.room import du

    return du(output, as_json=json)


@task(auto_shortflags=False, help={"json": "machine-readable"})
@friendly
def list_configs(_context: Context, json: bool = False) -> int:
    """List the build configurations; * marks the default."""
    from tfbuild.cli.lists import list_configs

    return list_configs(as_json=json)


@task(auto_shortflags=False, help={"json": "machine-readable"})
@friendly
def list_releases(_context: Context, json: bool = False) -> int:
    """List the pinned releases and whether this project has compiled them; * marks the default."""
    from tfbuild.cli.lists import list_releases

    return list_releases(as_json=json)


@task(
    auto_shortflags=False,
    positional=["target"],
    help={
        "target": "shared library, executable, dist folder, image archive, or an image in the engine",
        "policy": "a policy in build_configs/policies/, or the path of one",
        "key": "public key (PEM, or OpenSSH's .pub) that must have signed the dist folder",
        "require": "what the dist folder must have: signature,sbom,provenance,reproducible",
        "json": "machine-readable report",
        "sarif": "write the findings to this file as SARIF, for code scanning and editors",
        "junit": "write the findings to this file as JUnit XML, for the pages of a CI service",
    },
)
@friendly
def verify(
    _context: Context,
    target: str,
    policy: str = "",
    key: str = "",
    require: str = "",
    json: bool = False,
    sarif: str = "",
    junit: str = "",
) -> int:
    """Report what a binary or image needs, and what is wrong with it; exit 0 or 7.

    invoke verify dist/tflite/2.14.1-debian/opt/amd64
    invoke verify tfbuild/tflite:2.14.1-debian-opt-amd64 --json
    invoke verify dist/tflite/2.14.1-debian/opt/amd64 --key release.pub --require signature,sbom,provenance
    """
    from tfbuild.cli.inspect import verify

    return verify(target, policy, key=key, require=require, as_json=json, sarif=sarif, junit=junit)


@task(
    auto_shortflags=False,
    iterable=["set"],
    positional=["target"],
    help={
        **_SELECT,
        "target": "a dist folder, a build id, or an image in the engine that was built here",
        "product": "without a result: tflite, serving or keras [tflite]",
        "variant": "for keras: cpu or gpu [cpu]",
        "output": "the folder that builds wrote to, for a build id or an image [dist]",
        "fail-on": "exit 7 on what is newer: security, yanked or any, several with commas",
    },
)
@friendly
@with_options(SelectOptions)
def outdated(
    _context: Context,
    options: SelectOptions,
    target: str,
    product: str = "",
    variant: str = "",
    output: str = "",
    fail_on: str = "",
) -> int:
    """Say what is newer now than in a build: Debian packages, wheels, releases; exit 0, or 7 with --fail-on.

    invoke outdated dist/tflite/2.14.1-debian/opt/amd64 --fail-on security
    invoke outdated --product keras --release 2.21.0
    """
    from tfbuild.cli.audit.outdated import outdated

    words = replace(options.words(), variant=variant)
    return outdated(target, product, words, output=output, fail_on=fail_on, as_json=options.json)


@task(
    auto_shortflags=False,
    positional=["target"],
    help={
        "target": "a dist folder, a build id, or an image in the engine that was built here",
        "output": "the folder that builds wrote to, for a build id or an image [dist]",
        "jobs": "parallel compile jobs of the second build [one more or less than the first had]",
        "offline": "use no network: root filesystems and builders are those of a bundle that was loaded",
        "json": "machine-readable; also kept in the folder as reproducible.json",
    },
)
@friendly
def reproduce(
    _context: Context,
    target: str,
    output: str = "",
    jobs: str = "",
    offline: bool = False,
    json: bool = False,
) -> int:
    """Build a result again from its manifest, with empty caches, and compare every file; exit 0 or 7.

    invoke reproduce dist/tflite/2.14.1-debian/opt/amd64
    invoke reproduce tfbuild/tflite:2.14.1-debian-opt-amd64
    """
    from tfbuild.cli.audit.reproduce import reproduce

    return reproduce(target, output, jobs, offline=offline, as_json=json)


@task(
    auto_shortflags=False,
    positional=["target"],
    help={
        "target": "a dist folder",
        "key": "private key file: Ed25519 or ECDSA, PEM or OpenSSH's form [signing.key]",
        "config": "a build configuration, for its section 'signing' [opt]",
        "keyless": "let cosign sign for the identity of this CI job (Sigstore), without a key",
        "json": "machine-readable",
    },
)
@friendly
def sign(
    _context: Context,
    target: str,
    key: str = "",
    config: str = "",
    keyless: bool = False,
    json: bool = False,
) -> int:
    """Sign a dist folder: SHA256SUMS, provenance and bills of materials; print what was written.

    invoke sign dist/tflite/2.14.1-debian/opt/amd64 --key release.pem
    """
    from tfbuild.cli.line.signing import sign

    return sign(target, key, config, keyless=keyless, as_json=json)


@task(
    auto_shortflags=False,
    positional=["target", "reference"],
    help={
        "target": "a dist folder, or the name of an image that a build made",
        "reference": "its name in a registry, as registry.example/team/image:1.0; http:// before it: no TLS",
        "sign": "private key file that signs the name and what it stands for [signing.key]",
        "config": "a build configuration, for its section 'signing' [opt]",
        "output": "the folder that the build of the image wrote to [dist]",
        "json": "machine-readable",
    },
)
@friendly
def push(
    _context: Context,
    target: str,
    reference: str,
    sign: str = "",
    config: str = "",
    output: str = "",
    json: bool = False,
) -> int:
    """Push an image with its bill of materials, provenance and signatures, or a dist folder, to a registry.

    invoke push tfbuild/tflite:2.14.1-debian-opt-amd64 registry.example/team/tflite:1.0 --sign release.pem
    invoke push dist/tflite/2.14.1-debian/opt/amd64 registry.example/team/tflite-files:1.0
    """
    from tfbuild.cli.registry.push import PushRequest, push

    request = PushRequest(target=target, reference=reference, sign=sign, config=config, output=output)
    return push(request, as_json=json)


@task(
    auto_shortflags=False,
    positional=["reference"],
    help={
        "reference": "a name or a digest in a registry; http:// before it: no TLS",
        "key": "public key (PEM, or OpenSSH's .pub) that must have signed it under this name",
        "require": "what must be there: signature, sbom, provenance, reproducible, with commas",
        "output": "folder for the results [dist]",
        "check": "compare everything; change nothing here",
        "json": "machine-readable",
    },
)
@friendly
def pull(
    _context: Context,
    reference: str,
    key: str = "",
    require: str = "",
    output: str = "",
    check: bool = False,
    json: bool = False,
) -> int:
    """Pull what invoke push put into a registry, each byte compared; exit 7 if anything is not right.

    invoke pull registry.example/team/tflite:1.0 --key release.pub --require signature,sbom,provenance
    invoke pull registry.example/team/tflite-files:1.0 --key release.pub --check
    """
    from tfbuild.cli.registry.pull import PullRequest, pull

    request = PullRequest(reference=reference, key=key, require=require, output=output, check=check)
    return pull(request, as_json=json)


@task(
    auto_shortflags=False,
    positional=["image"],
    help={
        "image": "an image in the engine, or an image archive (docker save, OCI)",
        "json": "machine-readable report",
        "html": "write the report as a self-contained page to this file",
        "facts": "judge for the machine that this file describes, and run nothing",
        "host-facts": "print such a file for this machine",
    },
)
@friendly
def diagnose(
    _context: Context,
    image: str,
    json: bool = False,
    html: str = "",
    facts: str = "",
    host_facts: bool = False,
) -> int:
    """Explain why a TensorFlow image does not work here: cause and fix; exit 0 or 7.

    invoke diagnose registry.example/team/model:1.4 --html report.html
    invoke diagnose --host-facts > gpu-node.json
    invoke diagnose image.tar --facts gpu-node.json
    """
    from tfbuild.cli.inspect import diagnose

    return diagnose(image, as_json=json, html=html, facts=facts, host_facts=host_facts)


_OF_COMPARED = "the folder that builds wrote to [dist]"


@task(
    auto_shortflags=False,
    iterable=["target"],
    help={
        "target": "a build, a configuration (built if missing), a library, wheel or image; repeatable",
        "product": "of configurations: tflite, serving or keras [tflite]",
        "release": "of configurations: a pinned release",
        "arch": "of configurations: one architecture",
        "output": _OF_COMPARED,
        "model": "measure images with this model first (.tflite)",
        "threads": "numbers of threads to measure with [1,2]",
        "rounds": "processes that measure each [5]",
        "html": "write a self-contained page with charts to this file",
        "json": "machine-readable",
    },
)
@friendly
def compare(
    _context: Context,
    target: list[str],
    product: str = "",
    release: str = "",
    arch: str = "",
    output: str = "",
    model: str = "",
    threads: str = "",
    rounds: str = "",
    html: str = "",
    json: bool = False,
) -> int:
    """Compare builds, configurations, libraries, wheels or images: size, code, needs, speed.

    invoke compare opt size
    invoke compare opt size haswell --model mobilenet.tflite --html compare.html
    invoke compare tflite-2.14.1-debian-opt-amd64 ai_edge_litert-2.1.5-cp313-cp313-manylinux_2_27_x86_64.whl
    """
    from tfbuild.cli.trying.comparing import CompareRequest, compare

    request = CompareRequest(
        targets=tuple(target),
        product=product,
        release=release,
        arch=arch,
        output=output,
        model=model,
        threads=threads,
        rounds=rounds,
        html=html,
    )
    return compare(request, as_json=json)


@task(
    auto_shortflags=False,
    positional=["build"],
    help={
        "build": "a build id, or the folder of a build",
        "html": "write a self-contained page with charts to this file",
        "output": _OF_COMPARED,
        "json": "machine-readable",
    },
)
@friendly
def report(_context: Context, build: str, html: str = "", output: str = "", json: bool = False) -> int:
    """Report on one build: time of each step, size, flags with their origin, smoke test, findings.

    invoke report tflite-2.14.1-debian-opt-amd64 --html report.html
    """
    from tfbuild.cli.trying.comparing import report

    return report(build, html, output, as_json=json)


@task(
    auto_shortflags=False,
    positional=["target"],
    help={
        "target": "a build id, the folder of a build, or an image in the engine",
        "model": "the model to measure with (.tflite)",
        "threads": "numbers of threads [1,2]",
        "rounds": "processes that measure each [5]",
        "output": _OF_COMPARED,
        "json": "machine-readable",
    },
)
@friendly
def benchmark(
    _context: Context,
    target: str,
    model: str = "",
    threads: str = "",
    rounds: str = "",
    output: str = "",
    json: bool = False,
) -> int:
    """Measure an image with a model: latency, time to load, memory; keep the figures for compare.

    invoke benchmark tflite-2.14.1-debian-opt-amd64 --model mobilenet.tflite --threads 1,2,4
    """
    from tfbuild.cli.trying.measuring import benchmark

    return benchmark(target, model, threads, rounds, output, as_json=json)


@task(
    auto_shortflags=False,
    positional=["target"],
    help={
        "target": "a build id, the folder of a build, or an image in the engine",
        "model": "the model to compute or serve, if none is in the image",
        "output": _OF_COMPARED,
        "json": "print as JSON where it listens; its own output goes to stderr",
    },
)
@friendly
def run(_context: Context, target: str, model: str = "", output: str = "", json: bool = False) -> int:
    """Start an image as it is meant to be used, reachable from this machine alone, until Ctrl-C.

    invoke run serving-2.20.0-opt-amd64 --model ./half_plus_two
    invoke run tflite-2.14.1-debian-opt-amd64 --model mobilenet.tflite
    """
    from tfbuild.cli.trying.running import run

    return run(target, model, output, as_json=json)


@task(
    auto_shortflags=False,
    positional=["build"],
    help={
        "build": "a build id, or the folder of a build [the one that was started last]",
        "command": "run this in the shell instead, for scripts: needs no terminal",
        "json": "with --command: its output and its exit code",
    },
)
@friendly
def shell(_context: Context, build: str, command: str = "", json: bool = False) -> int:
    """Open a shell in the builder, with a copy of the build's tree, its logs and the compile's settings.

    invoke shell
    invoke shell tflite-2.14.1-debian-opt-amd64 --command "ls /tree/log"
    """
    from tfbuild.cli.trying.shell import shell

    return shell(build, command, as_json=json)


@task(
    auto_shortflags=False,
    help={
        "product": "what is to be built: tflite, serving or keras [tflite]",
        "config": "a build configuration whose cluster is asked",
        "json": "machine-readable",
    },
)
@friendly
def doctor(_context: Context, product: str = "", config: str = "", json: bool = False) -> int:
    """Check all that can stop a build, with the fix for each; exit 0 or 4.

    invoke doctor --product serving
    """
    from tfbuild.cli.machine import doctor

    return doctor(product=product, config=config, as_json=json)


@task(
    auto_shortflags=False,
    help={"check": "change nothing; say what would be done", "json": "machine-readable"},
)
@friendly
def setup(_context: Context, check: bool = False, json: bool = False) -> int:
    """Make a Debian or Ubuntu machine ready: engine, buildx, mmdebstrap. A ready one is left alone."""
    from tfbuild.cli.machine import setup

    return setup(check=check, as_json=json)


@task(
    auto_shortflags=False,
    help={
        "cache": "downloads, sources and root filesystems too",
        "engine": "build trees and compiler caches in the engine too",
        "output": "the folder that builds wrote to [dist]",
        "older": "only results that are that many days old",
        "product": "only results and build trees of tflite, serving or keras",
        "list": "remove nothing; say what would be removed, with sizes",
        "json": "machine-readable, in bytes",
    },
)
@friendly
def clean(
    _context: Context,
    cache: bool = False,
    engine: bool = False,
    output: str = "",
    older: str = "",
    product: str = "",
    list: bool = False,
    json: bool = False,
) -> int:
    """Remove the results of builds in dist/, and the caches when asked. Other files stay, and are named.

    invoke clean --list
    invoke clean --older 30 --product tflite
    invoke clean --output /srv/builds
    """
    from tfbuild.cli.cleaning import Wanted, clean

    wanted = Wanted(cache=cache, engine=engine, output=output, older=older, product=product, only_list=list)
    return clean(wanted, as_json=json)


@task(auto_shortflags=False, help={"fast": "no engine, no network"})
@friendly
def test(_context: Context, fast: bool = False) -> int:  # noqa: PT028 - a task, not a test
    """Run the tests: lint, types, unit, golden, and real builds."""
    from tfbuild.cli.machine import test

    return test(fast=fast)


GROUPS = {
    "Start here": (setup, doctor, list_configs, list_releases, explain, version),
    "Build": (build_all, build_keras, build_serving, build_tflite),
    "Configure": (list_keys, new_config, show_config),
    "Judge results": (diagnose, outdated, reproduce, sign, verify),
    "Share results": (pull, push),
    "Try results": (benchmark, compare, report, run, shell),
    "Supply": (bundle, check_upstream, fetch, lock),
    "Keep house": (clean, du, test),
}
ns = list_in_groups(program, GROUPS)
# invoke's own form prints ANSI codes even with NO_COLOR.
ns.configure({"run": {"echo_format": "+ {command}"}})
