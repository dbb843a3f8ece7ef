import type { EventRecord } from "../admin/api.ts";
import type { KeyStore } from "../aws/keystores.ts";

/** Calls that change a key store. */
const CHANGES = ["CreateCustomKeyStore", "ConnectCustomKeyStore", "DisconnectCustomKeyStore", "UpdateCustomKeyStore"];

/** When a key store last changed: its last recorded change, or its creation. */
export function lastChange(records: EventRecord[], store: KeyStore): string | Date | undefined {
  const about = (record: EventRecord) => {
    const { requestParameters } = record as { requestParameters?: Record<string, unknown> | null };
    return requestParameters?.["customKeyStoreId"] === store.CustomKeyStoreId;
  };
  const changes = records.filter(
    (record) => CHANGES.includes(record.eventName) && record.errorCode === undefined && about(record),
  );
  return changes.at(-1)?.eventTime ?? store.CreationDate;
}
