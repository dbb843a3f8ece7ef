/** Every page of the console by its path. */
import type { ReactNode } from "react";

import type { AppLayoutProps } from "@cloudscape-design/components/app-layout";

import { BackupList } from "./cloudhsm/backups.tsx";
import { CreateCluster } from "./cloudhsm/create.tsx";
import { ClusterDetail } from "./cloudhsm/detail.tsx";
import { ClusterList } from "./cloudhsm/list.tsx";
import { CreateKey } from "./keys/create.tsx";
import { KeyDetail } from "./keys/detail.tsx";
import { KeyList } from "./keys/list.tsx";
import { CreateKeyStore } from "./keystores/create.tsx";
import { KeyStoreDetail } from "./keystores/detail.tsx";
import { EditKeyStore } from "./keystores/edit.tsx";
import { KeyStoreList } from "./keystores/list.tsx";
import { Troubleshooting } from "./keystores/troubleshooting-page.tsx";
import { Nothing, To } from "./parts/common.tsx";
import { match } from "./router.ts";
import { Chaos } from "./simulator/chaos.tsx";
import { ClockPage } from "./simulator/clock.tsx";
import { Events } from "./simulator/events.tsx";
import { LoadDetail } from "./simulator/load-detail.tsx";
import { LoadList } from "./simulator/load-list.tsx";
import { Runbook, RunbookList } from "./simulator/runbooks.tsx";

export interface Page {
  title: string;
  kind: AppLayoutProps.ContentType;
  parents: { text: string; path: string }[];
  content: ReactNode;
}

type Parts = Record<string, string>;
type Route = [pattern: string, kind: Page["kind"], parents: string[], title: (parts: Parts) => string, content: (parts: Parts) => ReactNode];

/** Pages that are parents of others. */
const PARENTS: Record<string, string> = {
  "kms/keys": "Customer managed keys",
  "kms/key-stores": "Custom key stores",
  "cloudhsm/clusters": "Clusters",
  "cloudhsm/backups": "Backups",
  "simulator/load": "Load runs",
  "simulator/runbooks": "Runbooks",
};

const always = (text: string) => () => text;
const id = (parts: Parts) => parts["id"] ?? "";

const ROUTES: Route[] = [
  ["kms/key-stores", "table", [], always("Custom key stores"), () => <KeyStoreList />],
  ["kms/key-stores/cloudhsm", "table", ["kms/key-stores"], always("AWS CloudHSM key stores"), () => <KeyStoreList />],
  ["kms/key-stores/create", "form", ["kms/key-stores"], always("Create key store"), () => <CreateKeyStore />],
  ["kms/key-stores/:id", "default", ["kms/key-stores"], id, (parts) => <KeyStoreDetail id={id(parts)} />],
  ["kms/key-stores/:id/edit", "form", ["kms/key-stores"], (parts) => `Edit ${id(parts)}`, (parts) => <EditKeyStore id={id(parts)} />],
  ["kms/keys", "table", [], always("Customer managed keys"), () => <KeyList />],
  ["kms/keys/create", "form", ["kms/keys"], always("Create key"), () => <CreateKey />],
  ["kms/keys/:id", "default", ["kms/keys"], id, (parts) => <KeyDetail id={id(parts)} />],
  ["kms/troubleshooting", "default", [], always("Troubleshooting"), () => <Troubleshooting />],
  ["cloudhsm/clusters", "table", [], always("Clusters"), () => <ClusterList />],
  ["cloudhsm/clusters/create", "form", ["cloudhsm/clusters"], always("Create cluster"), () => <CreateCluster />],
  ["cloudhsm/clusters/:id", "default", ["cloudhsm/clusters"], id, (parts) => <ClusterDetail id={id(parts)} />],
  ["cloudhsm/backups", "table", [], always("Backups"), () => <BackupList />],
  ["simulator/chaos", "default", [], always("Chaos"), () => <Chaos />],
  ["simulator/load", "default", [], always("Load runs"), () => <LoadList />],
  ["simulator/load/:id", "default", ["simulator/load"], id, (parts) => <LoadDetail id={id(parts)} />],
  ["simulator/events", "default", [], always("Events"), () => <Events />],
  ["simulator/runbooks", "default", [], always("Runbooks"), () => <RunbookList />],
  ["simulator/runbooks/:id", "default", ["simulator/runbooks"], (parts) => `Runbook of ${id(parts)}`, (parts) => <Runbook id={id(parts)} />],
  ["simulator/clock", "default", [], always("Clock"), () => <ClockPage />],
];

/** Whether there is a page. */
export function isPage(path: string): boolean {
  return ROUTES.some(([pattern]) => match(pattern, path) !== null);
}

export function pageFor(path: string): Page {
  for (const [pattern, kind, parents, title, content] of ROUTES) {
    const parts = match(pattern, path);
    if (parts === null) continue;
    return {
      title: title(parts),
      kind,
      parents: parents.map((parent) => ({ text: PARENTS[parent] ?? parent, path: parent })),
      content: content(parts),
    };
  }
  return {
    title: "No such page",
    kind: "default",
    parents: [],
    content: <Nothing title="There is no such page" text={`Nothing is at ${path}.`} action={<To path="kms/key-stores">Custom key stores</To>} />,
  };
}
