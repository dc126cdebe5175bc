"""Prints docs/reference.md from a FileDescriptorSet with comments, which it reads: see generate-reference."""

import sys
from collections.abc import Iterator

from google.protobuf import descriptor_pb2 as pb

_MESSAGES, _ENUMS, _SERVICES = 4, 5, 6  # fields of FileDescriptorProto
_FIELDS, _NESTED, _NESTED_ENUMS = 2, 3, 4  # of DescriptorProto
_ELEMENTS = 2  # of a service its methods, of an enum its values
_HEAD = """# Reference

Every element of the contracts, from the comments in [protos](../protos). Written by `make proto`: change the comments.
"""


class Comments:
    """What is written before each element of a file."""

    def __init__(self, file: pb.FileDescriptorProto) -> None:
        self._at = {tuple(each.path): each.leading_comments.strip() for each in file.source_code_info.location}

    def text(self, *path: int) -> str:
        """As paragraphs."""
        return "\n".join(line.strip() for line in self._at.get(path, "").splitlines())

    def cell(self, *path: int) -> str:
        """As a cell of a table."""
        paragraphs = self.text(*path).split("\n\n")
        return "<br>".join(" ".join(each.split("\n")) for each in paragraphs).replace("|", "\\|")


def type_of(field: pb.FieldDescriptorProto) -> str:
    """As in the proto, with full names but for the root package."""
    scalar = pb.FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
    text = field.type_name.removeprefix(".").removeprefix("orderflow.") or scalar
    if field.label == pb.FieldDescriptorProto.LABEL_REPEATED:
        return f"repeated {text}"
    return f"optional {text}" if field.proto3_optional else text


def message(descriptor: pb.DescriptorProto, comments: Comments, scope: str, *path: int) -> Iterator[str]:
    """A message and what is declared in it."""
    name = f"{scope}{descriptor.name}"
    yield f"### {name}\n\n{comments.text(*path)}\n"
    if descriptor.field:
        yield "| field | type | |\n|---|---|---|"
        for at, field in enumerate(descriptor.field):
            oneof = ""
            if field.HasField("oneof_index") and not field.proto3_optional:
                oneof = f" (one of `{descriptor.oneof_decl[field.oneof_index].name}`)"
            said = comments.cell(*path, _FIELDS, at)
            yield f"| {field.name} = {field.number} | {type_of(field)}{oneof} | {said} |"
        yield ""
    for at, each in enumerate(descriptor.nested_type):
        yield from message(each, comments, f"{name}.", *path, _NESTED, at)
    for at, enum in enumerate(descriptor.enum_type):
        yield from values(enum, comments, f"{name}.", *path, _NESTED_ENUMS, at)


def values(descriptor: pb.EnumDescriptorProto, comments: Comments, scope: str, *path: int) -> Iterator[str]:
    """An enum."""
    yield f"### {scope}{descriptor.name}\n\n{comments.text(*path)}\n\n| value | |\n|---|---|"
    for at, value in enumerate(descriptor.value):
        yield f"| {value.name} = {value.number} | {comments.cell(*path, _ELEMENTS, at)} |"
    yield ""


def service(descriptor: pb.ServiceDescriptorProto, comments: Comments, *path: int) -> Iterator[str]:
    """A service and its methods."""
    yield f"### {descriptor.name}\n\n{comments.text(*path)}\n"
    for at, method in enumerate(descriptor.method):
        stream = "stream " if method.server_streaming else ""
        taken, answered = (name.rpartition(".")[2] for name in (method.input_type, method.output_type))
        yield f"#### {method.name}\n\n`rpc {method.name}({taken}) returns ({stream}{answered})`\n"
        yield comments.text(*path, _ELEMENTS, at) + "\n"


def page(files: pb.FileDescriptorSet) -> Iterator[str]:
    """The page: a chapter for each package, its services first."""
    ours = sorted((file for file in files.file if file.name.startswith("orderflow/")), key=lambda file: file.name)
    yield _HEAD
    for package in sorted({file.package for file in ours}):
        yield f"## {package}\n"
        chapter = [(file, Comments(file)) for file in ours if file.package == package]
        for file, comments in chapter:
            for at, each in enumerate(file.service):
                yield from service(each, comments, _SERVICES, at)
        for file, comments in chapter:
            for at, each in enumerate(file.message_type):
                yield from message(each, comments, "", _MESSAGES, at)
            for at, each in enumerate(file.enum_type):
                yield from values(each, comments, "", _ENUMS, at)


if __name__ == "__main__":
    files = pb.FileDescriptorSet.FromString(sys.stdin.buffer.read())
    sys.stdout.write("\n".join(page(files)).rstrip() + "\n")
