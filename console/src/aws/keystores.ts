/** Custom key stores as the pages need them, from the public API alone. */
import { DescribeClustersCommand, type CloudHSMV2Client } from "@aws-sdk/client-cloudhsm-v2";
import {
  DescribeCustomKeyStoresCommand,
  DescribeKeyCommand,
  ListKeysCommand,
  type CustomKeyStoresListEntry,
  type KMSClient,
  type KeyMetadata,
} from "@aws-sdk/client-kms";

import type { Cluster } from "./cloudhsm.ts";

export type KeyStore = CustomKeyStoresListEntry;

/** Bounds of what a page lists. */
const PAGES_MAX = 20;

export async function keyStores(kms: KMSClient): Promise<KeyStore[]> {
  const found: KeyStore[] = [];
  let Marker: string | undefined;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const reply = await kms.send(new DescribeCustomKeyStoresCommand({ Marker }));
    found.push(...(reply.CustomKeyStores ?? []));
    Marker = reply.NextMarker;
    if (reply.Truncated !== true || Marker === undefined) break;
  }
  return found;
}

export async function keyStore(kms: KMSClient, id: string): Promise<KeyStore | null> {
  const reply = await kms.send(new DescribeCustomKeyStoresCommand({ CustomKeyStoreId: id }));
  return reply.CustomKeyStores?.[0] ?? null;
}

export async function clusters(cloudhsm: CloudHSMV2Client, ids?: string[]): Promise<Cluster[]> {
  const found: Cluster[] = [];
  let NextToken: string | undefined;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const Filters = ids === undefined ? undefined : { clusterIds: ids };
    const reply = await cloudhsm.send(new DescribeClustersCommand({ NextToken, Filters }));
    found.push(...(reply.Clusters ?? []));
    NextToken = reply.NextToken;
    if (NextToken === undefined) break;
  }
  return found;
}

export const KEYS_SHOWN_MAX = 500;

/** The keys of the account and Region with their metadata; at most `KEYS_SHOWN_MAX`. */
export async function keys(kms: KMSClient): Promise<KeyMetadata[]> {
  const ids: string[] = [];
  let Marker: string | undefined;
  do {
    const reply = await kms.send(new ListKeysCommand({ Marker, Limit: KEYS_SHOWN_MAX }));
    ids.push(...(reply.Keys ?? []).flatMap((key) => (key.KeyId === undefined ? [] : [key.KeyId])));
    Marker = reply.Truncated === true ? reply.NextMarker : undefined;
  } while (Marker !== undefined && ids.length < KEYS_SHOWN_MAX);
  const shown = ids.slice(0, KEYS_SHOWN_MAX);
  const described = await Promise.all(
    shown.map((KeyId) => kms.send(new DescribeKeyCommand({ KeyId })).then((reply) => reply.KeyMetadata, () => undefined)),
  );
  return described.filter((key) => key !== undefined);
}

/** Active HSMs by Availability Zone, in the order of the zones' names. */
export function activeByZone(cluster: Cluster | undefined): [string, number][] {
  const zones = new Map<string, number>();
  for (const zone of Object.keys(cluster?.SubnetMapping ?? {})) zones.set(zone, 0);
  for (const hsm of cluster?.Hsms ?? []) {
    const zone = hsm.AvailabilityZone ?? "?";
    zones.set(zone, (zones.get(zone) ?? 0) + (hsm.State === "ACTIVE" ? 1 : 0));
  }
  return [...zones].sort(([one], [other]) => one.localeCompare(other));
}

/** Clusters that share a backup history have the same cluster certificate. */
export function related(all: Cluster[], original: Cluster | undefined): Cluster[] {
  const certificate = original?.Certificates?.ClusterCertificate;
  if (certificate === undefined) return [];
  return all.filter((cluster) => cluster.Certificates?.ClusterCertificate === certificate);
}

/** Whether a cluster can take the place of another, or why not. */
export function whyNotSubstitute(cluster: Cluster): string | null {
  if (cluster.State !== "ACTIVE") return `It is ${cluster.State ?? "in no state"}, and must be ACTIVE.`;
  const zones = activeByZone(cluster).filter(([, active]) => active > 0);
  return zones.length >= 2 ? null : "It needs two active HSMs in different Availability Zones.";
}

/** Why a cluster cannot back a new key store, or null. */
export function whyNoKeyStore(cluster: Cluster, all: Cluster[], stores: KeyStore[]): string | null {
  const certificate = cluster.Certificates?.ClusterCertificate;
  for (const store of stores) {
    const name = store.CustomKeyStoreName ?? "a key store";
    if (store.CloudHsmClusterId === cluster.ClusterId) return `It backs ${name}.`;
    const other = all.find((one) => one.ClusterId === store.CloudHsmClusterId)?.Certificates?.ClusterCertificate;
    if (certificate !== undefined && certificate === other) return `It shares a backup history with the cluster of ${name}. Edit that key store to use it there.`;
  }
  return whyNotSubstitute(cluster);
}

export const isPassing = (state: string | undefined) => state === "CONNECTING" || state === "DISCONNECTING";
