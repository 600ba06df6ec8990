"""What a reader looks up, in the words of the code: commands, codes, variables, findings, releases."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from invoke.collection import Collection

from tfbuild.base.errors import MEANINGS, ExitCode
from tfbuild.cli import schemas
from tfbuild.cli.guide.explain import STATES
from tfbuild.cli.guide.smoke_findings import SMOKE_FINDINGS
from tfbuild.cli.line.command_words import TAKE_REST, Command, Flag
from tfbuild.cli.line.environment import VARIABLES
from tfbuild.cli.lists import list_releases_json, lock_statuses
from tfbuild.cli.reference.keys import keys_page
from tfbuild.cli.reference.markdown import code, page, table
from tfbuild.cli.usage import commands_of
from tfbuild.diagnose.catalog import CATALOG
from tfbuild.products import table as products
from tfbuild.verify.findings import FINDINGS
from tfbuild.verify.policy import Policy

FOLDER = "docs/reference"


def pages(root: Path, commands: Collection) -> Mapping[str, str]:
    """The text of each page, by its path in the project."""
    found = {
        "commands": page("Commands", _commands(commands)),
        "configuration-keys": keys_page(),
        "exit-codes": page("Exit codes", _exit_codes()),
        "environment-variables": page("Environment variables", _variables()),
        "verify-findings": page("Findings of verify", _verify_findings()),
        "diagnose-findings": page("Findings of diagnose", _diagnose_findings()),
        "releases": page("Releases", _releases(root)),
        "schemas": page("JSON schemas", _schemas()),
    }
    return {f"{FOLDER}/{name}.md": text for name, text in found.items()}


def _commands(collection: Collection) -> Iterator[str]:
    yield "Each command is `invoke COMMAND`, from the folder of this project. Square brackets show the"
    yield "default of an option."
    yield ""
    for name, command in sorted(commands_of(collection).items()):
        task = collection[name]
        yield from _command(command, task.__doc__ or "", task.help)


def _command(command: Command, doc: str, texts: Mapping[str, str]) -> Iterator[str]:
    about, *rest = doc.strip().splitlines()
    yield f"## {command.name}"
    yield ""
    yield about
    yield ""
    examples = [line.strip() for line in rest if line.strip()]
    yield "```"
    yield from examples or [" ".join(["invoke", command.name, *map(str.upper, command.positional)])]
    yield "```"
    rows = [_option(flag, command, texts) for flag in command.flags]
    if command.name in TAKE_REST:
        rows.append((code("-- WORDS"), "words for the build tool, passed on as they are"))
    yield from table(("option", "meaning"), rows)


def _option(flag: Flag, command: Command, texts: Mapping[str, str]) -> tuple[str, str]:
    name = flag.names[0].lstrip("-")
    value = " KEY=VALUE" if name == "set" else f" {name.upper()}" if flag.takes_value else ""
    option = code(f"--{name}{value}")
    typed = f"{code(name.upper())} or {option}" if name in command.positional else option
    return typed, texts.get(name, "")


def _exit_codes() -> Iterator[str]:
    yield "Scripts may rely on them: a code never changes its meaning."
    yield ""
    rows = [(str(int(each)), MEANINGS[each].says, MEANINGS[each].then) for each in ExitCode]
    yield from table(("code", "meaning", "next"), rows)
    yield "## States"
    yield ""
    yield "Words that lists and reports use for the state of something. `invoke explain` prints what stands"
    yield "here and on the pages of findings."
    yield ""
    states = [(code(each.word), each.kind, each.means, each.then) for each in STATES]
    yield from table(("word", "what", "meaning", "next"), states)


def _variables() -> Iterator[str]:
    yield "A name that begins with `TFBUILD_` and is not in this table is refused with exit code 2."
    yield ""
    rows = [(code(each.name), each.meaning, each.default) for each in VARIABLES]
    yield from table(("variable", "meaning", "default"), rows)
    yield "These belong to other programs, and are read too: `SOURCE_DATE_EPOCH`, `NO_COLOR`, `FORCE_COLOR`,"
    yield "`DOCKER_HOST`, `NETRC`, `SSL_CERT_FILE`, `REQUESTS_CA_BUNDLE`, the proxy variables, those of pip."


def _verify_findings() -> Iterator[str]:
    yield "The severity is that of a policy which says nothing else; `severities` of a policy changes it."
    yield "[Verify](../verify.md) explains the command."
    yield ""
    policy = Policy(description="as built in")
    rows = [(code(id), str(policy.severity(id)), each.means, each.remedy) for id, each in FINDINGS.items()]
    yield from table(("finding", "severity", "meaning", "what to do"), rows)
    yield from ("## Findings of a build's own test", "")
    own = [(code(id), means, remedy) for id, (means, remedy) in SMOKE_FINDINGS.items()]
    yield from table(("finding", "meaning", "what to do"), own)


def _diagnose_findings() -> Iterator[str]:
    yield "[Diagnose](../diagnose.md) explains the command."
    for id, each in CATALOG.items():
        yield from ("", f"## {id}", "", f"{each.title[:1].upper()}{each.title[1:]}.", "")
        yield f"- **When:** {each.when}."
        yield f"- **Cause:** {each.cause}."
        yield f"- **Fix:** {each.fix}."


def _releases(root: Path) -> Iterator[str]:
    yield "[States](exit-codes.md#states) says what each status, and each state of a lock, means."
    releases = products.list_releases(root)
    entries = list_releases_json(releases, lock_statuses(root, releases))["releases"]
    head = ("release", "status", "architectures", "made from", "lock", "description")
    for product in products.names():
        yield from ("", f"## {product}", "")
        rows = table(
            head,
            [
                (
                    code(each["release"]),
                    each["status"],
                    ", ".join(each["arches"]),
                    each["provider"],
                    each["lock"],
                    each["description"],
                )
                for each in entries
                if each["product"] == product
            ],
        )
        yield from list(rows)[:-1]


def _schemas() -> Iterator[str]:
    yield "YAML files are read, and JSON documents are written, by these schemas. Every JSON document has a"
    yield "`version`; an object has no key that its schema does not name."
    yield ""
    titles = {path: str(json.loads(text)["title"]) for path, text in schemas.documents().items()}
    yield from table(("schema", "of"), [(code(path), title) for path, title in titles.items()])
