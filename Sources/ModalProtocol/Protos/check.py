#!/usr/bin/env python3
"""Holds our protocol files against the descriptors inside of an installed Modal SDK.

Every service call, message, field and enumeration value that we have must agree with theirs in name, number and
type. Run with the Python that has the SDK: check.py PROTOS [MESSAGE ...], where the messages named are those that this
SDK's release may lack.
"""
import subprocess
import sys
import tempfile

from google.protobuf import descriptor_pb2
from modal_proto import api_pb2, task_command_router_pb2

THEIRS = {"modal.client": api_pb2, "modal.task_command_router": task_command_router_pb2}


def ours(protos):
    with tempfile.NamedTemporaryFile() as output:
        files = subprocess.run(["find", "modal_proto", "-name", "*.proto"], cwd=protos, capture_output=True, text=True)
        subprocess.run(
            ["protoc", "-I.", f"--descriptor_set_out={output.name}", *sorted(files.stdout.split())], cwd=protos, check=True)
        return descriptor_pb2.FileDescriptorSet.FromString(output.read())


def as_proto(module):
    file = descriptor_pb2.FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(file)
    return file


def same_type(mine, other):
    return (mine.type, mine.label, mine.type_name, mine.proto3_optional) == (
        other.type, other.label, other.type_name, other.proto3_optional)


def check_message(mine, other, path, problems):
    oneofs = [one.name for one in other.oneof_decl]
    fields = {field.name: field for field in other.field}
    for field in mine.field:
        there = fields.get(field.name)
        if there is None:
            # A release of old lacks what came later: its number must be free, then.
            if any(field.number == known.number for known in other.field):
                problems.append(f"{path}.{field.name}: number {field.number} is another field's")
        elif field.number != there.number or not same_type(field, there):
            problems.append(f"{path}.{field.name}: {field.number} {field.type_name} isn't as in the SDK")
        elif field.HasField("oneof_index") != there.HasField("oneof_index") or (
                field.HasField("oneof_index")
                and mine.oneof_decl[field.oneof_index].name != oneofs[there.oneof_index]):
            problems.append(f"{path}.{field.name}: not in the same oneof")
    nested = {message.name: message for message in other.nested_type}
    for message in mine.nested_type:
        if message.name in nested:
            check_message(message, nested[message.name], f"{path}.{message.name}", problems)
        elif not message.options.map_entry:
            problems.append(f"{path}.{message.name}: no such message")
    check_enums(mine.enum_type, other.enum_type, path, problems)


def check_enums(mine, other, path, problems):
    theirs = {enum.name: {value.name: value.number for value in enum.value} for enum in other}
    for enum in mine:
        for value in enum.value:
            number = theirs.get(enum.name, {}).get(value.name, value.number if enum.name not in theirs else None)
            if number is not None and number != value.number:
                problems.append(f"{path}.{enum.name}.{value.name}: {value.number}, not {number}")


def check_calls(mine, other, problems, lacking):
    theirs = {call.name: call for service in other.service for call in service.method}
    for service in mine.service:
        for call in service.method:
            there = theirs.get(call.name)
            if there is None:
                lacking.append(f"call {call.name}")
            elif (call.input_type, call.output_type, call.client_streaming, call.server_streaming) != (
                    there.input_type, there.output_type, there.client_streaming, there.server_streaming):
                problems.append(f"call {call.name}: not as in the SDK")


def main():
    problems, lacking, count = [], [], 0
    for file in ours(sys.argv[1]).file:
        other = as_proto(THEIRS[file.package])
        messages = {message.name: message for message in other.message_type}
        for message in file.message_type:
            count += 1
            if message.name in messages:
                check_message(message, messages[message.name], message.name, problems)
            else:
                lacking.append(message.name)
        check_enums(file.enum_type, other.enum_type, file.package, problems)
        check_calls(file, other, problems, lacking)
    expected = sys.argv[2:]
    for name in lacking:
        if expected and name not in expected:
            problems.append(f"{name}: not in the SDK")
    print(f"{count} messages compared; this release lacks {len(lacking)}")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


sys.exit(main())
