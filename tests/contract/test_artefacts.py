"""scripts/make-artefacts builds what clients of any language start from, complete and the same each time."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

from tests.support.contracts import services

ROOT = Path(__file__).parents[2]


def built(folder: Path) -> Path:
    subprocess.run(
        ["scripts/make-artefacts", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
        env={**os.environ, "VENV": sys.prefix},
    )
    return folder


@pytest.fixture(scope="module")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("dist"))


def test_the_descriptor_set_holds_every_service_all_it_needs_and_its_comments(artefacts: Path) -> None:
    files = descriptor_pb2.FileDescriptorSet.FromString((artefacts / "orderflow.binpb").read_bytes()).file
    held = {f"{file.package}.{service.name}" for file in files for service in file.service}
    assert {each.full_name for each in services()} <= held
    names = {file.name for file in files}
    assert all(set(file.dependency) <= names for file in files)
    assert any("Creates an order" in each.leading_comments for file in files for each in file.source_code_info.location)


def test_the_protos_are_a_module_that_compiles(artefacts: Path, tmp_path: Path) -> None:
    with tarfile.open(artefacts / "orderflow-protos.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    subprocess.run([Path(sys.prefix) / "bin" / "buf", "build"], cwd=tmp_path, check=True, env={"HOME": str(tmp_path)})


def test_the_client_wheel_works_without_anything_of_the_servers(artefacts: Path, tmp_path: Path) -> None:
    [wheel] = artefacts.glob("orderflow_client-*.whl")
    shutil.unpack_archive(wheel, tmp_path, "zip")
    with zipfile.ZipFile(wheel) as archive:
        assert not [each for each in archive.namelist() if not each.startswith(("orderflow", "buf/"))]
    program = (
        "import sys, orderflow_client\n"
        "orderflow_client.Client(command='127.0.0.1:1', query='127.0.0.1:1').close()\n"
        "print(orderflow_client.__file__, *sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": os.environ["PATH"]},
        check=True,
        capture_output=True,
        text=True,
    )
    file, *modules = done.stdout.split()
    assert Path(file).is_relative_to(tmp_path)
    ours = {"service_kit", "read_models", "command_service", "query_service", "projector", "ordersctl"}
    assert not ours & set(modules)


def test_checksums_fit_and_the_same_tree_gives_the_same_bytes(artefacts: Path, tmp_path: Path) -> None:
    lines = (line.split() for line in (artefacts / "SHA256SUMS").read_text().splitlines())
    sums = {name: digest for digest, name in lines}
    assert set(sums) == {each.name for each in artefacts.iterdir()} - {"SHA256SUMS"}
    for name, digest in sums.items():
        assert hashlib.sha256((artefacts / name).read_bytes()).hexdigest() == digest
    assert (built(tmp_path) / "SHA256SUMS").read_text() == (artefacts / "SHA256SUMS").read_text()
