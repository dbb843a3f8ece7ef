/** Key specs and what each is for (AWS KMS API Reference, CreateKey). */
import { KeySpec, type KeyUsageType } from "@aws-sdk/client-kms";

export const SPECS: KeySpec[] = [
  KeySpec.SYMMETRIC_DEFAULT,
  ...Object.values(KeySpec).filter((spec) => spec !== KeySpec.SYMMETRIC_DEFAULT),
];

export function usagesOf(spec: KeySpec): KeyUsageType[] {
  if (spec === "SYMMETRIC_DEFAULT") return ["ENCRYPT_DECRYPT"];
  if (spec.startsWith("RSA_")) return ["SIGN_VERIFY", "ENCRYPT_DECRYPT"];
  if (spec.startsWith("HMAC_")) return ["GENERATE_VERIFY_MAC"];
  if (spec === "SM2") return ["SIGN_VERIFY", "ENCRYPT_DECRYPT", "KEY_AGREEMENT"];
  if (spec.startsWith("ECC_NIST_") && spec !== "ECC_NIST_EDWARDS25519") return ["SIGN_VERIFY", "KEY_AGREEMENT"];
  return ["SIGN_VERIFY"];
}
