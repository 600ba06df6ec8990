"""Words after ``--`` that cannot go to Bazel as they are: they fight the plan, or lack their value. Pure.

https://bazel.build/reference/command-line-reference has all options and which of them take a value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_PLACE = "the builder has its place"
_STARTUP = "it is a startup option of Bazel, and only options of its command 'build' are allowed there"
_NETWORK = "it needs the network, which the compile does not have"
_ARCH = "the architecture is --arch, and the release says how it is built for it"
_PHASES = "the build fetches everything first and then compiles without network: this belongs to it"
# The request's own business, by the name of the option.
_OWNED: Mapping[str, str] = {
    **dict.fromkeys(
        ("--jobs", "-j", "--local_resources", "--local_cpu_resources", "--local_ram_resources"),
        "use --jobs of invoke, or resources.jobs",
    ),
    **dict.fromkeys(("--output_base", "--output_user_root", "--install_base"), _PLACE),
    **dict.fromkeys(
        ("--repository_cache", "--disk_cache", "--symlink_prefix", "--distdir", "--profile"), _PLACE
    ),
    "--experimental_downloader_config": "use the key mirrors, or TFBUILD_MIRRORS",
    "--downloader_config": "use the key mirrors, or TFBUILD_MIRRORS",
    "--bazelrc": "the release's own .bazelrc is what the plan was made for",
    "--noworkspace_rc": "upstream's .bazelrc has what the build cannot do without",
    "--remote_cache": f"{_NETWORK}: use remote.cache, which gives it the network",
    "--remote_executor": f"{_NETWORK}: use remote.executor, which gives it the network",
    **dict.fromkeys(("--fetch", "--nofetch", "--build", "--nobuild", "--nobuild_runfile_links"), _PHASES),
    **dict.fromkeys(
        ("--cpu", "--platforms", "--host_platform", "--crosstool_top", "--extra_toolchains", "--host_cpu"),
        _ARCH,
    ),
    **dict.fromkeys(("--compiler", "--host_compiler"), "the compiler is the release's own"),
    "--strip": "use compile.strip",
    **dict.fromkeys(
        ("--batch", "--nobatch", "--host_jvm_args", "--nosystem_rc", "--nohome_rc", "--max_idle_secs"),
        _STARTUP,
    ),
}
# Bazel's way to say "no disk cache": nothing is placed elsewhere.
_ALLOWED = frozenset({"--disk_cache="})
# A remote cache or executor of the configuration gives it to the compile.
_WANTS_NETWORK = frozenset({"--bes_backend", "--remote_downloader", "--experimental_remote_downloader"})
# What is there often and does nothing without a value; the value is part of the word.
_WITH_VALUE = frozenset(
    {
        "--action_env", "--aspects", "--compilation_mode", "-c", "--config", "--conlyopt", "--copt",
        "--cxxopt", "--define", "--features", "--host_action_env", "--host_conlyopt", "--host_copt",
        "--host_cxxopt", "--host_features", "--host_linkopt", "--linkopt", "--modify_execution_info",
        "--override_repository", "--per_file_copt", "--host_per_file_copt", "--repo_env",
        "--spawn_strategy", "--strategy", "--test_env",
    }
)  # fmt: skip

# What hands its value to compiler or linker; the last two for the files that a regular expression names.
_PER_FILE = ("--per_file_copt", "--host_per_file_copt")
COMPILER_OPTIONS = frozenset(
    {
        *("--copt", "--conlyopt", "--cxxopt", "--linkopt"),
        *("--host_copt", "--host_conlyopt", "--host_cxxopt", "--host_linkopt"),
        *_PER_FILE,
    }
)


def flags_in(option: str, value: str) -> tuple[str, ...]:
    """The flags in the value of one of :data:`COMPILER_OPTIONS`.

    ``--per_file_copt=+REGEX,-REGEX@FLAG,FLAG``, where ``\\,`` is a comma in a flag:
    https://bazel.build/docs/user-manual#per-file-copt
    """
    if option not in _PER_FILE:
        return (value,)
    flags = re.split(r"(?<!\\),", value.partition("@")[2])
    return tuple(flag.replace("\\,", ",") for flag in flags if flag)


def word_problem(word: str, *, network: bool) -> str | None:
    """What is wrong with ``word`` after ``--``; None where Bazel may have it. ``network``: the compile's."""
    name, equals, value = word.partition("=")
    if word == "--":
        return "'--' after --: what follows it would be targets, and those come from the release"
    if word in _ALLOWED:
        return None
    if why := _OWNED.get(name):
        return f"'{word}' after --: {why}"
    if name in _WANTS_NETWORK and not network:
        return f"'{word}' after --: {_NETWORK}"
    if name in _WITH_VALUE and not (equals and value):
        return f"'{word}' after --: it has no value; write {name}=VALUE as one word"
    return None


def repeated(word: str, own: Mapping[str, str]) -> str | None:
    """What is wrong with an option that names a thing for which the plan has one: a variable, a repository.

    ``own`` are the plan's, as ``--repo_env=CC``, each with the place that gave it.
    """
    option, _, setting = word.partition("=")
    name = f"{option}={setting.partition('=')[0]}"
    where = own.get(name)
    return f"'{word}' after --: {name} is set by {where}" if where else None
