#!/usr/bin/env python3
"""Requests made from the shapes of both service models, valid and nearly valid, against a running
Portcullis: fuzz/shapes.py [--seconds N] [--seed N]; AWS_ENDPOINT_URL says where it is.

What a reply names (keys, grants, ciphertexts, tokens ...) is used in later requests, so that a run
goes beyond the first check. Fails on a reply that is not HTTP or JSON, on a 500, and on memory that
grows after the number of resources is bounded. Needs botocore, for the models."""

import argparse
import base64
import collections
import http.client
import json
import os
import random
import sys
import time
import urllib.parse

import botocore.loaders

# Operations that leave something behind are made so often at most, so that memory must level off.
MAKERS_MAX = {"CreateKey": 150, "CreateAlias": 300, "CreateGrant": 300, "CreateCluster": 3,
              "CreateHsm": 3, "CreateCustomKeyStore": 5, "ReplicateKey": 20, "CopyBackupToRegion": 5,
              "RotateKeyOnDemand": 100, "ImportKeyMaterial": 50}
POOL_MAX = 64
NASTY = ["", " ", "\u0000", "\u00e9\U0001f511", "a" * 4097, "%s%n", "../../etc/passwd", "'\"<>", "alias/",
         "alias/aws/x", "arn:aws:kms", "arn:aws:kms:us-east-1:000000000000:key/", "null", "0" * 64]


class Fuzzer:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.models = []
        for service in ("kms", "cloudhsmv2"):
            model = botocore.loaders.Loader().load_service_model(service, "service-2")
            self.models.append((model["metadata"]["targetPrefix"], model["operations"],
                                model["shapes"]))
        self.calls = [(prefix, name, shapes, operation) for prefix, operations, shapes in self.models
                      for name, operation in operations.items()]
        self.pool = collections.defaultdict(list)
        self.made = collections.Counter()

    def value(self, shapes, name, member, depth=0):
        """Some value of a shape: mostly valid, sometimes nearly so, sometimes of another type."""
        shape, dice = shapes[name], self.random.random()
        kind = shape["type"]
        if dice < 0.02:
            return self.random.choice([None, 7, -1, True, [], {}, "x", 1e308, [[]], {"a": None}])
        if kind == "structure":
            members = shape["members"]
            required = shape.get("required", ())
            if depth > 4:
                return {}
            return {key: self.value(shapes, of["shape"], key, depth + 1)
                    for key, of in members.items()
                    if self.random.random() < (0.97 if key in required else 0.3)}
        if kind == "list":
            of = shape["member"]["shape"]
            count = self.random.choice([1, 1, 2, 3, shape.get("min", 0), min(shape.get("max", 5), 60)])
            return [self.value(shapes, of, member, depth + 1) for _ in range(count)]
        if kind == "map":
            return {self.text(shape): self.random.choice(["", "v", "w" * 300])
                    for _ in range(self.random.choice([0, 1, 2, 8]))}
        if kind == "boolean":
            return self.random.random() < 0.3
        if kind in ("integer", "long"):
            least, most = shape.get("min", 0), shape.get("max", 1000)
            return self.random.choice([least, most, least - 1, most + 1, 0, 32, 7, 2**31, -(2**31)])
        if kind == "timestamp":
            return self.random.choice([0, 1, -1, time.time(), time.time() + 1e6, 1e15])
        known = self.pool.get(member) or self.pool.get(self.alike(member))
        if known and dice < 0.75:
            chosen = self.random.choice(known)
            if self.random.random() < 0.08 and isinstance(chosen, str) and chosen:
                at = self.random.randrange(len(chosen))
                chosen = chosen[:at] + self.random.choice("aA0=/-\u00e9") + chosen[at + 1:]
            return chosen
        if kind == "blob":
            sizes = [0, 1, 16, 32, 64, shape.get("max", 64), shape.get("max", 64) + 1]
            size = min(self.random.choice(sizes), 300_000)
            return base64.b64encode(self.random.randbytes(size)).decode()
        if "enum" in shape:
            if self.random.random() < 0.95:
                return self.random.choice(shape["enum"])
            return shape["enum"][0].lower()
        return self.text(shape)

    def text(self, shape):
        least, most = shape.get("min", 1), min(shape.get("max", 64), 140_000)
        if self.random.random() < 0.2:
            return self.random.choice(NASTY)
        size = self.random.choice([least, least, max(0, least - 1), most, most + 1, 8, 20])
        letters = self.random.choice(["a", "abcdef0123456789", "aZ09-_/", "alias/a"])
        return "".join(self.random.choice(letters) for _ in range(min(size, 5000))) or "a" * least

    @staticmethod
    def alike(member):
        """Members that name the same kind of thing under another name."""
        for ending, name in (("KeyId", "KeyId"), ("CiphertextBlob", "CiphertextBlob"),
                             ("AliasName", "AliasName"), ("ClusterId", "ClusterId"),
                             ("CustomKeyStoreId", "CustomKeyStoreId"), ("ResourceId", "ClusterId"),
                             ("BackupId", "BackupId"), ("GrantToken", "GrantToken"),
                             ("GrantTokens", "GrantToken"), ("Marker", "NextMarker"),
                             ("SubnetIds", "SubnetId"), ("Region", "Region")):
            if member.endswith(ending):
                return name
        return member

    def learn(self, value, member=""):
        """Keeps what a reply names."""
        if isinstance(value, dict):
            for key, inner in value.items():
                self.learn(inner, key)
        elif isinstance(value, list):
            for inner in value:
                self.learn(inner, member)
        elif isinstance(value, str) and value:
            kept = self.pool["KeyId" if member in ("KeyArn", "Arn", "TargetKeyId") else member]
            if len(kept) < POOL_MAX:
                kept.append(value)
            else:
                kept[self.random.randrange(POOL_MAX)] = value

    def request(self):
        while True:
            prefix, name, shapes, operation = self.random.choice(self.calls)
            if self.made[name] < MAKERS_MAX.get(name, 1 << 60):
                break
        body = self.value(shapes, operation["input"]["shape"], name)
        return prefix, name, body


def memory(pid):
    """Resident kilobytes of a process; None where that cannot be seen."""
    try:
        with open(f"/proc/{pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    except OSError:
        return None


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=60)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--pid", type=int, help="the server's, to watch its memory")
    arguments = arguments.parse_args()
    fuzzer = Fuzzer(arguments.seed)
    place = urllib.parse.urlparse(os.environ["AWS_ENDPOINT_URL"]).netloc
    connection = http.client.HTTPConnection(place, timeout=60)
    outcomes, began, sizes, count = collections.Counter(), time.monotonic(), [], 0
    fuzzer.pool["CustomKeyStoreId"].append("cks-1234567890abcdef0")
    while (passed := time.monotonic() - began) < arguments.seconds:
        prefix, name, body = fuzzer.request()
        sent = json.dumps(body)
        connection.request("POST", "/", sent, {
            "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"{prefix}.{name}"})
        reply = connection.getresponse()
        text = reply.read()
        told = json.loads(text) if text else {}
        code = told.get("__type", "success") if reply.status != 200 else "success"
        outcomes[code] += 1
        count += 1
        if reply.status >= 500 or (reply.status != 200 and not told.get("__type")):
            sys.exit(f"seed {arguments.seed}, request {count}: {reply.status} {told} to {name}\n"
                     f"{sent[:4000]}")
        if reply.status == 200:
            fuzzer.made[name] += 1
            fuzzer.learn(told)
            if name == "CreateAlias":
                fuzzer.learn(body)
        if arguments.pid and count % 500 == 0:
            sizes.append((passed, memory(arguments.pid)))
    if arguments.pid:
        # On a busy machine there may have been none since half time.
        sizes.append((arguments.seconds, memory(arguments.pid)))
    print(json.dumps({"requests": count, "outcomes": outcomes.most_common()}))
    if sizes and sizes[0][1] is not None:
        half = [size for passed, size in sizes if passed > arguments.seconds / 2]
        print(json.dumps({"rss_kb_half": half[0], "rss_kb_end": half[-1]}))
        if half[-1] > half[0] * 1.3 + 20_000:
            sys.exit(f"memory grew from {half[0]} kB at half time to {half[-1]} kB")


if __name__ == "__main__":
    main()
