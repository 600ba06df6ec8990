"""``invoke sign``, and what builds and ``verify`` need of keys."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tfbuild.base.errors import ExitCode, UsageError, VerificationError
from tfbuild.base.project import PROJECT
from tfbuild.base.text import did_you_mean
from tfbuild.machine.path_words import expanded, input_file, input_folder
from tfbuild.machine.terminal import write_json, write_lines
from tfbuild.plan.signing import Signing

if TYPE_CHECKING:
    from tfbuild.trust.keys import Signer, VerifyingKey
    from tfbuild.verify.checks.trust import Demand


@dataclass(frozen=True, kw_only=True)
class SignDocument:
    """The document of ``sign --json``: the files that were written, none where all were there already."""

    version: Literal[1] = 1
    written: tuple[str, ...]


def sign(target: str, key: str, config: str, *, keyless: bool = False, as_json: bool = False) -> int:
    """``invoke sign``"""
    from tfbuild.base.documents import dump

    if not target:
        raise UsageError("nothing to sign", hint="invoke sign DIST --key KEYFILE")
    if keyless and (key or config):
        raise UsageError("--keyless needs no key", hint="leave --key and --config out, or --keyless")
    folder = input_folder(target, "DIST")
    names = _sign_keyless(folder) if keyless else _sign_with_key(folder, key, config)
    written = tuple(str(folder / name) for name in names)
    if as_json:
        write_json(dump(SignDocument(written=written)))
    else:
        write_lines(written)
    return ExitCode.OK


def _sign_keyless(folder: Path) -> tuple[str, ...]:
    from tfbuild.build.dist.signing import sign_keyless
    from tfbuild.machine.runner import SubprocessRunner

    return sign_keyless(folder, os.environ, SubprocessRunner())


def _sign_with_key(folder: Path, key: str, config: str) -> tuple[str, ...]:
    from tfbuild.build.dist.signing import sign_folder

    signer = configured_signer(key, config, "--key")
    if signer is None:
        raise UsageError(
            "which key signs?",
            hint="--key KEYFILE, --keyless, or --config NAME of one with a section 'signing'",
        )
    return sign_folder(folder, signer)


def configured_signer(key: str, config: str, option: str = "--sign") -> Signer | None:
    """What signs with the key file ``key`` or, without one, as the configuration ``config`` says; None where
    nobody does.

    :raises UsageError: the key cannot be read.
    """
    from tfbuild.cli.line.own_files import config_word, user_places
    from tfbuild.config.load import DEFAULT_CONFIG
    from tfbuild.plan.signing import signing_of
    from tfbuild.plan.words import host_arch
    from tfbuild.products.table import load_config

    if key:
        return signer_of(Signing(key=str(input_file(key, option).absolute())), os.environ)
    found = load_config(PROJECT, config_word(config) or DEFAULT_CONFIG, host_arch(), user=user_places())
    return signer_of(signing_of(found.values), os.environ)


def sign_words(word: str) -> tuple[str, ...]:
    """What ``--sign`` sets in the configuration; none without it."""
    if not word:
        return ()
    path = expanded(word, "--sign").absolute()  # looked at before the build, not before its plan
    return (f"signing.key={path}", "signing.command=[]")


def signer_of(signing: Signing, env: Mapping[str, str]) -> Signer | None:
    """What signs; None where the configuration has neither a key nor a command.

    :raises UsageError: the key cannot be read.
    """
    from tfbuild.machine.runner import SubprocessRunner
    from tfbuild.trust.keys import PASSPHRASE, command_signer, read_signer

    if signing.command:
        if not signing.public_key:
            raise UsageError(
                "signing.command needs signing.public_key: what it prints has to be checked",
                hint="--set signing.public_key=KEY.pub",
            )
        public = verifying_key(signing.public_key, "signing.public_key")
        return command_signer(signing.command, public, SubprocessRunner())
    if not signing.key:
        return None
    path = _in_project(signing.key, "signing.key")
    return read_signer(path.read_bytes(), env.get(PASSPHRASE, ""), str(path))


def _in_project(word: str, option: str) -> Path:
    """Configurations have paths from the project's root, or absolute ones."""
    return input_file(str(PROJECT / expanded(word, option)), option)


def verifying_key(word: str, option: str) -> VerifyingKey:
    """The public key that a configuration names.

    :raises UsageError: it cannot be read.
    """
    return _verifying_key(_in_project(word, option))


def _verifying_key(path: Path) -> VerifyingKey:
    from tfbuild.trust.keys import read_verifying_key

    return read_verifying_key(path.read_bytes(), str(path))


def demand_of(key: str, require: str) -> Demand:
    """What ``--key`` and ``--require`` of ``verify`` ask for.

    :raises UsageError: the key cannot be read, a word is unknown, or a signature is required of nobody.
    """
    from tfbuild.verify.checks.trust import Demand
    from tfbuild.verify.policy import Requirement

    known = [str(each) for each in Requirement]
    words = [word.strip() for word in require.split(",") if word.strip()]
    for word in words:
        if word not in known:
            raise UsageError(
                f"--require {word}: there is no such requirement{did_you_mean(word, known)}",
                hint=f"one or several of {','.join(known)}",
            )
    wanted = frozenset(map(Requirement, words))
    if Requirement.SIGNATURE in wanted and not key:
        raise UsageError("--require signature: by which key?", hint="--key KEY.pub")
    return Demand(_verifying_key(input_file(key, "--key")) if key else None, wanted)


def require_trusted(folder: Path, demand: Demand, name: str) -> None:
    """Raises :class:`VerificationError` where ``folder``, which came as ``name``, has not what is demanded.

    That a key signed the name is asked elsewhere: that covers every file.
    """
    from tfbuild.verify.checks.trust import check_trust

    _, found = check_trust(folder, replace(demand, key=None))
    if found:
        raise VerificationError(
            f"{name} is not what was asked for",
            details=tuple(f"{each.id}: {each.message}" for each in found),
            hint="ask whoever pushed it",
        )
