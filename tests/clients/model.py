"""The service model of the installed botocore, and what it says of a reply."""

import base64
import binascii
import json
import os
import re
import urllib.error
import urllib.request

import botocore.loaders

# What every operation may answer with (AWS General Reference, common errors), beside what its
# model declares. UnsupportedOperationException is one of them only where Portcullis says that it
# does not build something.
COMMON = {
    "AccessDeniedException", "ThrottlingException", "ValidationException",
    "SerializationException", "UnknownOperationException",
}


class Model:
    def __init__(self, service):
        self.model = botocore.loaders.Loader().load_service_model(service, "service-2")
        self.shapes = self.model["shapes"]
        self.operations = self.model["operations"]
        self.prefix = self.model["metadata"]["targetPrefix"]

    def declared(self, operation):
        return {entry["shape"] for entry in self.operations[operation].get("errors", [])}

    def input(self, operation):
        return self.shapes[self.operations[operation]["input"]["shape"]]

    def problems(self, operation, status, code, body):
        """What the model has against a reply."""
        if status == 200:
            output = self.operations[operation].get("output")
            if output is None:
                return [] if body is None else [f"{operation}: a body where there is no output"]
            return self.check(output["shape"], body, operation)
        declared = self.declared(operation)
        if code in declared or code in COMMON or not_built(body):
            text = (body or {}).get("message", (body or {}).get("Message"))
            return [] if isinstance(text, str) else [f"{operation}: {code} without a text"]
        return [f"{operation}: {code} is not declared: {body}"]

    def check(self, name, value, path):
        shape = self.shapes[name]
        kind = shape["type"]
        if kind == "structure":
            if not isinstance(value, dict):
                return [f"{path}: not an object"]
            members = shape["members"]
            found = [f"{path}.{key}: not in the model" for key in value if key not in members]
            found += [f"{path}.{key}: missing" for key in shape.get("required", ())
                      if key not in value]
            for key, of in members.items():
                if key in value:
                    found += self.check(of["shape"], value[key], f"{path}.{key}")
            return found
        if kind == "list":
            if not isinstance(value, list):
                return [f"{path}: not a list"]
            of = shape["member"]["shape"]
            return [each for entry in value for each in self.check(of, entry, f"{path}[]")]
        if kind == "map":
            return [] if isinstance(value, dict) else [f"{path}: not a map"]
        if kind == "blob":
            try:
                base64.b64decode(value, validate=True)
                return []
            except (binascii.Error, TypeError, ValueError):
                return [f"{path}: not base64"]
        if kind == "string":
            if not isinstance(value, str):
                return [f"{path}: not a text"]
            if "enum" in shape and value not in shape["enum"]:
                return [f"{path}: {value} is not in {shape['enum']}"]
            return []
        right = {"boolean": bool, "integer": int, "long": int, "timestamp": (int, float)}[kind]
        is_right = isinstance(value, right) and (right is bool or not isinstance(value, bool))
        return [] if is_right else [f"{path}: {value!r} is no {kind}"]


def not_built(body):
    """Whether a reply says that Portcullis does not build what was asked for."""
    body = body or {}
    unsupported = body.get("__type") == "UnsupportedOperationException"
    return unsupported and re.search("Portcullis (does not build|builds)", body["message"])


def call(model, operation, members, account="000000000000", region="us-east-1"):
    """Status, exception and body of a call as it is on the wire, without a client's checks."""
    service = "kms" if model.prefix.startswith("Trent") else "cloudhsm"
    scope = f"{account}/20260830/{region}/{service}/aws4_request"
    request = urllib.request.Request(
        os.environ["AWS_ENDPOINT_URL"],
        data=members if isinstance(members, bytes) else json.dumps(members).encode(),
        headers={
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": f"{model.prefix}.{operation}",
            "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, "
                             f"Signature={'0' * 64}",
        },
    )
    try:
        with urllib.request.urlopen(request) as reply:
            status, body = reply.status, reply.read()
    except urllib.error.HTTPError as error:
        status, body = error.code, error.read()
    body = json.loads(body) if body else None
    return status, (body or {}).get("__type") if status != 200 else None, body


def base64_of(data):
    return base64.b64encode(data).decode()
