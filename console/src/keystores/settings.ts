/** What an edit changes, and how it is told afterwards. */
import type { KeyStore } from "../aws/keystores.ts";

export interface Edit {
  name: string;
  cluster: string;
  password: string;
}

export interface Changes {
  NewCustomKeyStoreName?: string;
  CloudHsmClusterId?: string;
  KeyStorePassword?: string;
}

/** Only what differs from the key store is sent. */
export function changes(edit: Edit, store: KeyStore): Changes {
  const changed: Changes = {};
  if (edit.name !== "" && edit.name !== store.CustomKeyStoreName) changed.NewCustomKeyStoreName = edit.name;
  if (edit.cluster !== "" && edit.cluster !== store.CloudHsmClusterId) changed.CloudHsmClusterId = edit.cluster;
  if (edit.password !== "") changed.KeyStorePassword = edit.password;
  return changed;
}

/** The settings that were edited, in words; the password itself is never told. */
export function told(changed: Changes): string[] {
  const lines: string[] = [];
  if (changed.NewCustomKeyStoreName !== undefined) {
    lines.push(`The friendly name of the custom key store is ${changed.NewCustomKeyStoreName}.`);
  }
  if (changed.CloudHsmClusterId !== undefined) {
    lines.push(`The cluster ID of the associated AWS CloudHSM cluster is ${changed.CloudHsmClusterId}.`);
  }
  if (changed.KeyStorePassword !== undefined) {
    lines.push("The current password of the kmsuser crypto user (CU) was told to KMS.");
  }
  return lines;
}

/** What is wrong with a password before it is sent, or null. */
export function passwordProblem(password: string): string | null {
  if (password === "") return null;
  return password.length >= 7 && password.length <= 32 ? null : "A password of kmsuser has 7 to 32 characters.";
}
