/** What may be done with a key store in which state, and the reason when not. */
import type { KeyStore } from "../aws/keystores.ts";

export type Action = "connect" | "disconnect" | "edit" | "delete";

/** In the order of the menu: the guide's wording, then today's. */
export const ACTIONS: { id: Action; text: string; today: string }[] = [
  { id: "connect", text: "Connect custom key store", today: "Connect" },
  { id: "disconnect", text: "Disconnect custom key store", today: "Disconnect" },
  { id: "edit", text: "Edit custom key store settings", today: "Edit" },
  { id: "delete", text: "Delete custom key store", today: "Delete" },
];

/** Why an action is not to be had, or null when it is. */
export function whyNot(action: Action, store: KeyStore | undefined, keys: number | null = null): string | null {
  if (store === undefined) return "Choose a custom key store first.";
  const state = store.ConnectionState;
  switch (action) {
    case "connect":
      if (state === "DISCONNECTED") return null;
      if (state === "FAILED") return "A FAILED key store must be disconnected before it can be connected.";
      return state === "DISCONNECTING" ? "Wait until it is DISCONNECTED." : `It is ${state ?? "connected"} already.`;
    case "disconnect":
      if (state === "DISCONNECTED") return "It is DISCONNECTED already.";
      return state === "DISCONNECTING" ? "It is DISCONNECTING already." : null;
    case "edit":
      return state === "DISCONNECTED" ? null : `It is ${state ?? "connected"}. Disconnect it before you edit it.`;
    case "delete":
      if (state !== "DISCONNECTED") return `It is ${state ?? "connected"}. Disconnect it before you delete it.`;
      return keys !== null && keys > 0 ? `It has ${keys === 1 ? "a key" : `${keys} keys`}. Only an empty key store can be deleted.` : null;
  }
}
