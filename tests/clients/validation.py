"""Every constraint of every member of every operation's input, violated once on the wire.

Walks the service models of the installed botocore. The answer must be a ValidationException in the
service's form that names the member and the constraint, and must not repeat what is sensitive."""

import re
import sys

from model import Model, base64_of, call, not_built

# Deviations that are decided: the guide's own cluster ID has a digit that the pattern excludes.
WIDER_PATTERNS = {"CloudHsmClusterId", "ClusterId"}
TOO_LONG_MAX = 200_000

checked, problems = 0, []


def matches(pattern, value):
    """Python knows no classes of Unicode; letters, spaces and digits are close enough here."""
    for escape, instead in ((r"\p{L}", "a-zA-Z"), (r"\p{Z}", " "), (r"\p{N}", "0-9")):
        pattern = pattern.replace(escape, instead)
    return re.fullmatch(pattern, value)


def lower(name):
    return name[0].lower() + name[1:]


def valid(model, name, seen=()):
    """Some permitted value of a shape."""
    shape = model.shapes[name]
    kind = shape["type"]
    if kind == "structure":
        if name in seen:
            return {}
        members = shape["members"]
        return {key: valid(model, members[key]["shape"], (*seen, name))
                for key in shape.get("required", ())}
    if kind == "list":
        return [valid(model, shape["member"]["shape"], seen)] * max(1, shape.get("min", 0))
    if kind == "map":
        return {"a": valid(model, shape["value"]["shape"], seen)}
    if kind == "blob":
        return base64_of(b"x" * max(1, shape.get("min", 0)))
    if kind == "boolean":
        return False
    if kind == "timestamp":
        return 1_800_000_000
    if kind in ("integer", "long"):
        return shape.get("min", 1)
    if "enum" in shape:
        return shape["enum"][0]
    return text(shape)


def text(shape):
    pattern, least = shape.get("pattern"), max(1, shape.get("min", 1))
    most = shape.get("max", 10_000)
    candidates = ["a" * least, "1" * least, "alias/a", "cluster-abcdefghijk", "hsm-abcdefghijk",
                  "backup-abcdefghijk", "subnet-0123abcd", "us-east-1a", "us-east-1",
                  "eni-0123abcd", "10.0.0.1", "vpc-0123abcd", "cks-1234567890abcdef0",
                  "https://example.com", "/kms/xks/v1", "a" * 64, "A" * 20, "A" * 43, "7" * least,
                  "com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0",
                  "arn:aws:iam::000000000000:root", "hsm2m.medium", "hsm1.medium", "FIPS", "365"]
    for candidate in candidates:
        fits = least <= len(candidate) <= most
        if fits and (pattern is None or matches(pattern, candidate)):
            return candidate
    raise SystemExit(f"no value is known for {shape}")


def violations(model, shape, member):
    """Values that a shape forbids, each with the words of the constraint."""
    kind = shape["type"]
    least, most = shape.get("min"), shape.get("max")
    if kind == "string":
        if "enum" in shape:
            yield "NO-SUCH-VALUE", "Member must satisfy enum value set: ["
        if most is not None and most < TOO_LONG_MAX:
            yield "a" * (most + 1), f"Member must have length less than or equal to {most}"
        if least is not None and least > 1:
            yield "a" * (least - 1), f"Member must have length greater than or equal to {least}"
        pattern = shape.get("pattern")
        if pattern and member not in WIDER_PATTERNS:
            for candidate in ("\u0001" * max(1, least or 1), "~" * max(1, least or 1)):
                if not matches(pattern, candidate):
                    yield candidate, "Member must satisfy regular expression pattern: "
                    break
    if kind == "blob":
        if most is not None and most < TOO_LONG_MAX:
            yield base64_of(b"x" * (most + 1)), f"Member must have length less than or equal to {most}"
    if kind in ("integer", "long"):
        if least is not None:
            yield least - 1, f"Member must have value greater than or equal to {least}"
        if most is not None and most < 2**31 - 1:
            yield most + 1, f"Member must have value less than or equal to {most}"
    if kind == "list" and most is not None and most < 5_000:
        yield ([valid(model, shape["member"]["shape"])] * (most + 1),
               f"Member must have length less than or equal to {most}")


def expect(model, operation, members, path, words, secret=None):
    global checked
    status, code, body = call(model, operation, members)
    if not_built(body):
        return
    checked += 1
    message = (body or {}).get("message", (body or {}).get("Message", ""))
    right = (
        status == 400 and code == "ValidationException"
        and re.match(r"\d+ validation errors? detected: ", message)
        and f"at '{path}' failed to satisfy constraint: " in message and words in message
    )
    if not right:
        problems.append(f"{operation} {path}: expected {words!r}, got {status} {code} {message!r}")
    if secret and secret in message:
        problems.append(f"{operation} {path}: a sensitive value is repeated")


def walk(model, operation, name, build, path, depth=0):
    """Violates each constraint of each member of the structure `name`; `build` makes a whole
    request with a value in the structure's place."""
    shape = model.shapes[name]
    base = valid(model, name)
    for member, of in shape.get("members", {}).items():
        target = model.shapes[of["shape"]]
        here = f"{path}{lower(member)}"
        for value, words in violations(model, target, member):
            secret = value if target.get("sensitive") and isinstance(value, str) else None
            expect(model, operation, build({**base, member: value}), here, words, secret)
        if member in shape.get("required", ()) and not may_be_empty(target):
            without = {key: value for key, value in base.items() if key != member}
            expect(model, operation, build(without), here, f"Value null at '{here}' failed")
            expect(model, operation, build({**base, member: None}), here, "Member must not be null")
        if depth > 3:
            continue
        if target["type"] == "structure":
            walk(model, operation, of["shape"],
                 lambda inner, member=member: build({**base, member: inner}), f"{here}.", depth + 1)
        if target["type"] == "list":
            entry = target["member"]["shape"]
            inner = model.shapes[entry]
            if inner["type"] == "structure":
                walk(model, operation, entry,
                     lambda each, member=member: build({**base, member: [each]}),
                     f"{here}.1.member.", depth + 1)
            else:
                for value, words in violations(model, inner, "member"):
                    expect(model, operation, build({**base, member: [value]}),
                           f"{here}.1.member", words)


def may_be_empty(shape):
    """A required text or list that may be empty counts as empty when it is missing."""
    return shape["type"] in ("string", "list") and not shape.get("min") and "enum" not in shape


def several(model, operation):
    """All that is missing is counted."""
    members = model.input(operation)["members"]
    required = [member for member in model.input(operation).get("required", ())
                if not may_be_empty(model.shapes[members[member]["shape"]])]
    if len(required) < 2:
        return
    _status, _code, body = call(model, operation, {})
    message = body.get("message", body.get("Message", ""))
    if not not_built(body) and not message.startswith(f"{len(required)} validation errors detected"):
        problems.append(f"{operation}: {len(required)} members are missing, but: {message!r}")


for service in ("kms", "cloudhsmv2"):
    model = Model(service)
    for operation in model.operations:
        walk(model, operation, model.operations[operation]["input"]["shape"],
             lambda whole: whole, "")
        several(model, operation)

print(f"{checked} violations", file=sys.stderr)
if problems:
    raise SystemExit("\n".join(problems))
assert checked > 250, f"only {checked} violations were made"
