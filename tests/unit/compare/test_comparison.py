"""What a comparison says: of sizes, code, needs and speed, as tables, text and pages."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from xml.etree import ElementTree as Tree

import jsonschema
import pytest

from tests.support.compared import ELF, STYLE, built, no_image, subject
from tests.support.images import Image, docker_archive, program
from tests.support.plans import PROJECT
from tfbuild.base.documents import dump
from tfbuild.base.html import is_page
from tfbuild.cli.reference.json_schema import document_schema
from tfbuild.cli.trying.comparing import CompareDocument, ReportDocument
from tfbuild.compare.page import comparison_page, report_page
from tfbuild.compare.read import plain_build, read_subject
from tfbuild.compare.tables import Comparison
from tfbuild.compare.text import render, render_report
from tfbuild.plan.naming import Extra
from tfbuild.verify.verify import load_policy

SOURCES = ("pie", "good.so", "isa-new.so")
HTML = re.compile(r"<!doctype html>\n(.*)\n", re.DOTALL)


def row(comparison: Comparison, label: str) -> tuple[str, ...]:
    (found,) = (r.cells for table in comparison.tables() for r in table.rows if r.label == label)
    return found


@pytest.mark.parametrize("name", ["good.so", "bad.so", "isa-new.so", "pie", "static"])
def test_the_parts_of_a_file_sum_up_to_its_size(name: str) -> None:
    """.bss takes memory and no place; what no section covers is told as 'other'."""
    path = ELF / name if (ELF / name).exists() else ELF.parent / "aarch64" / name
    found = read_subject(name, path, load_policy(PROJECT), no_image, Path("/nowhere"))
    (file,) = found.files
    assert sum(file.sizes.values()) == file.size == path.stat().st_size


def test_two_files_are_compared_whatever_they_are_called() -> None:
    comparison = Comparison(subjects=(subject("isa-old.so"), subject("isa-new.so")))
    assert row(comparison, "the file: level") == ("x86-64", "x86-64-v3")
    assert row(comparison, "always needed") == ("-", "AVX, AVX2, FMA")


def test_a_difference_is_told_against_the_first() -> None:
    first = subject("isa-old.so")
    bigger = replace(
        first, files=tuple(replace(f, size=2 * f.size) for f in first.files), size=2 * first.size
    )
    cells = row(Comparison(subjects=(first, bigger, first)), "files with code")
    assert "(+100.0 %)" in cells[1]
    assert cells[0] == cells[2]


def test_speed_has_its_spread_and_who_was_not_measured_has_a_dash() -> None:
    comparison = Comparison(subjects=(built(factor=1), built(factor=2), subject()))
    assert row(comparison, "mobilenet.tflite, 1 thread: ms") == (
        "5.00 (4.00 to 6.00)",
        "10.0 (8.00 to 12.0) (+100.0 %)",
        "-",
    )
    assert row(comparison, "mobilenet.tflite, 2 threads: load, ms")[0] == "11.0 (10.0 to 12.0)"


def test_flags_that_all_have_are_counted_and_the_others_named() -> None:
    one = built()
    two = replace(one, flags=(one.flags[1], replace(one.flags[0], text="-march=haswell")))
    comparison = Comparison(subjects=(one, two))
    assert row(comparison, "flags of all") == ("1", "1")
    assert row(comparison, "own flags") == ("-march=x86-64-v3", "-march=haswell")


def test_the_text_names_each_by_a_letter() -> None:
    text = render(Comparison(subjects=(built(), subject())))
    assert text.startswith("A  tflite-2.14.1-debian-isa-new-amd64\nB  isa-old.so\n")
    assert re.search(r"^ {2}image +20\.0 MB +-$", text, re.MULTILINE)


def dist_folder(dist: Path, config: str, arch: str, *beyond: str) -> Path:
    folder = dist / "tflite" / "2.14.1-debian" / "-".join((config, *beyond)) / arch
    folder.mkdir(parents=True)
    asked = {"config": config, "name": "", "beyond": [asdict(Extra(key, "x")) for key in beyond]}
    plan = {"product": "tflite", "release": "2.14.1-debian", "arch": arch, "asked": asked}
    manifest = {"version": 1, "tfbuild": "1.0", "key": "0" * 64, "build_id": folder.parent.name, "plan": plan}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_a_variant_has_the_plain_build_of_its_own_configuration(tmp_path: Path) -> None:
    variant = dist_folder(tmp_path, "opt", "amd64", "tflite.models")
    assert plain_build(variant, tmp_path) is None
    for config, arch in (("size", "amd64"), ("opt", "arm64")):
        dist_folder(tmp_path, config, arch)
    assert plain_build(variant, tmp_path) is None
    plain = dist_folder(tmp_path, "opt", "amd64")
    assert plain_build(variant, tmp_path) == plain
    assert plain_build(plain, tmp_path) is None


def test_a_report_of_a_variant_has_sizes_and_exports_before_and_after() -> None:
    whole, small = subject("isa-old.so"), subject("isa-new.so")
    words = render_report(small, whole)
    before, beside, after = words.partition("\nBeside the plain build\n")
    assert before == render(Comparison(subjects=(small,)))
    assert beside
    assert after.startswith("A  isa-old.so\nB  isa-new.so\n")
    assert re.search(r"^ {2}the file: exports +\d+ +\d+$", after, re.MULTILINE)
    assert "files with code" in after
    page = " ".join(parsed(report_page(small, STYLE, whole)).itertext())
    assert "Size, beside the plain build" in page
    assert "Exports, beside the plain build" in page
    assert "beside the plain build" not in " ".join(parsed(report_page(small, STYLE)).itertext())


def test_a_long_cell_has_a_line_of_its_own() -> None:
    long = replace(subject(), dependencies=tuple(f"libnumber{i}.so.1" for i in range(9)))
    lines = render(Comparison(subjects=(long, subject()))).splitlines()
    place = lines.index("  libraries")
    assert lines[place + 1].startswith("    A  libnumber0.so.1, ")
    assert lines[place + 2] == "    B  -"


def parsed(text: str) -> Tree.Element:
    """As a tree; HTML leaves out the end of some elements."""
    found = HTML.fullmatch(text)
    assert found
    return Tree.fromstring(re.sub(r"<(meta|br)([^>]*)>", r"<\1\2/>", found[1].replace("&nbsp;", " ")))


@pytest.mark.parametrize("page", ["comparison", "report"])
def test_a_page_has_all_in_it_and_nothing_that_acts(page: str, tmp_path: Path) -> None:
    subjects = (built(), replace(built("isa-old.so"), name="<script>alert(1)</script>"))
    text = (
        comparison_page(Comparison(subjects=subjects), STYLE)
        if page == "comparison"
        else report_page(subjects[0], STYLE)
    )
    root = parsed(text)
    names = {element.tag for element in root.iter()}
    assert not names & {"script", "link", "iframe", "img", "object"}
    # Names of XML name spaces are no addresses.
    assert not re.findall(r"""(?:src|href)=|url\(|@import""", text.replace("xmlns", ""))
    charts = list(root.iter("svg"))
    assert len(charts) >= 4
    for chart in charts:
        assert chart.get("role") == "img"
        assert len(str(chart.get("aria-label"))) > 10
    for table in root.iter("table"):
        assert all(head.get("scope") in {"row", "col"} for head in table.iter("th"))
    for region in (each for each in root.iter("div") if each.get("tabindex")):
        assert region.get("role") == "region"
        assert region.get("aria-label")
    file = tmp_path / "page.html"
    file.write_text(text)
    assert is_page(file)
    assert text == (
        comparison_page(Comparison(subjects=subjects), STYLE)
        if page == "comparison"
        else report_page(subjects[0], STYLE)
    )


def test_a_report_has_steps_flags_smoke_test_and_findings() -> None:
    words = " ".join(parsed(report_page(built(), STYLE)).itertext())
    for each in ("Timeline of the steps", "opt.yaml:3:10", "add, c", "ended well", "a <b>bold</b> thing"):
        assert each in words


def test_documents_are_as_their_schemas_say() -> None:
    subjects = (built(), subject())
    for document in (CompareDocument(subjects=subjects), ReportDocument(build=subjects[0])):
        jsonschema.validate(dump(document), document_schema(type(document), "a title"))


def test_of_an_image_all_files_with_code_count_and_its_layers_are_its_size(tmp_path: Path) -> None:
    names = ("usr/bin/program", "usr/lib/libother.so", "opt/x/libmine.so")
    files = [program(name, (ELF / source).read_bytes()) for name, source in zip(names, SOURCES, strict=True)]
    archive = docker_archive(
        tmp_path / "i.tar",
        Image([[*files, program("etc/text", b"no code")]], {"Entrypoint": ["/usr/bin/program"]}),
    )
    found = read_subject("i.tar", archive, load_policy(PROJECT), no_image, tmp_path)
    assert sorted(each.path for each in found.files) == sorted(f"/{name}" for name in names)
    assert found.image_size
    assert found.image_size >= found.size
