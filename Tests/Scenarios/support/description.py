"""The description of the API: api/openapi.yaml, its operations, and what they also answer to."""

import copy
import os
from dataclasses import dataclass, field

import yaml
from harness import ROOT

API = os.path.join(ROOT, "api")
PATH = os.path.join(API, "openapi.yaml")
METHODS = ("get", "put", "post", "delete", "options", "head", "patch")


def load():
    with open(PATH, encoding="utf-8") as file:
        return yaml.load(file, yaml.CSafeLoader)


@dataclass
class Operation:
    """An operation, with the members of its path."""

    path: str
    method: str
    members: dict
    parameters: list
    servers: list = field(default_factory=list)

    @property
    def id(self):
        return self.members["operationId"]


class Description:
    def __init__(self, document=None):
        self.document = document or load()

    def resolve(self, node):
        """What a reference leads to, with the members beside it; anything else is itself."""
        while isinstance(node, dict) and "$ref" in node:
            target = self.document
            for name in node["$ref"].removeprefix("#/").split("/"):
                target = target[name.replace("~1", "/")]
            beside = {name: value for name, value in node.items() if name != "$ref"}
            node = {**target, **beside}
        return node

    def operations(self, part="paths"):
        """All operations of `paths` or `webhooks`, in their order."""
        for path, item in self.document[part].items():
            for method in METHODS:
                if method in item:
                    members = item[method]
                    parameters = item.get("parameters", []) + members.get("parameters", [])
                    yield Operation(
                        path, method, members, [self.resolve(p) for p in parameters], item.get("servers", []))

    def operation(self, name):
        return next(operation for operation in self.operations() if operation.id == name)

    def twins(self, operation):
        """Where else the operation is: methods and paths, without its own."""
        also = self.document["paths"][operation.path].get("x-also", []) + operation.members.get("x-also", [])
        methods = [operation.method] + [entry["method"].lower() for entry in also if "method" in entry]
        paths = [(operation.path, None)]
        paths += [(entry["path"], entry.get("mediaType")) for entry in also if "path" in entry]
        found = [(path, method, media) for path, media in paths for method in methods]
        return found[1:]

    def expanded(self):
        """The document with every twin as an operation of its own, for tools that do not know `x-also`."""
        document = copy.deepcopy(self.document)
        for operation in self.operations():
            for path, method, media in self.twins(operation):
                twin = copy.deepcopy(operation.members)
                twin["operationId"] += "".join(part.title() for part in (method, path) if part)
                twin["parameters"] = operation.parameters
                ok = {status: self.resolve(response) for status, response in twin["responses"].items()}
                if method == "head":
                    for response in ok.values():
                        response.pop("content", None)
                elif media:
                    ok["200"] = {**ok["200"], "content": {media: {"schema": {}}}}
                # A request without a body in one way has none in the other.
                if method in ("get", "head"):
                    twin.pop("requestBody", None)
                twin["responses"] = ok
                item = document["paths"].setdefault(path, {})
                if method in item:
                    self.join(item[method], twin)
                else:
                    item[method] = twin
                    if operation.servers:
                        item["servers"] = operation.servers
        return document

    @staticmethod
    def join(operation, twin):
        """One method of one path that two operations describe: its bodies and headers are those of both."""
        operation["requestBody"]["content"].update(twin["requestBody"]["content"])

    def methods(self):
        """The methods that each path has: {path: {methods}}."""
        found = {}
        for operation in self.operations():
            for path, method, _ in [(operation.path, operation.method, None)] + self.twins(operation):
                found.setdefault(path, set()).add(method.upper())
        return found

    def examples(self, holder):
        """The examples of a parameter, header or media type: {name: value}."""
        if "example" in holder:
            return {"": holder["example"]}
        return {name: self.resolve(entry)["value"] for name, entry in holder.get("examples", {}).items()}
