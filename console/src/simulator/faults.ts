/** Every fault that can be injected, with what it needs. */
import type { FaultKind, FaultOrder } from "../admin/api.ts";

export type Need = "direction" | "delay" | "percent";

export interface FaultAbout {
  kind: FaultKind;
  group: "HSMs" | "Links" | "kmsuser" | "Cluster and network";
  what: string;
  /** What belongs to it beside the place. */
  needs: Need[];
  /** Whether it befalls a whole cluster and never a zone or one HSM. */
  wholeCluster?: boolean;
}

const LINK: Need[] = ["direction"];

export const FAULTS: FaultAbout[] = [
  { kind: "crash", group: "HSMs", what: "HSMs go down as in a power cut; undoing starts them from their disks", needs: [] },
  { kind: "hang", group: "HSMs", what: "HSMs take what comes and never answer", needs: [] },
  { kind: "slow", group: "HSMs", what: "HSMs begin late with what comes", needs: ["delay"] },
  { kind: "degrade", group: "HSMs", what: "HSMs show DEGRADED and serve nothing", needs: [] },
  { kind: "fill-disk", group: "HSMs", what: "What would be written is refused; what is there is served", needs: [] },
  { kind: "corrupt-disk", group: "HSMs", what: "Every record on the disk is damaged, and the HSM down", needs: [] },
  { kind: "partition", group: "Links", what: "Links to HSMs are cut", needs: LINK },
  { kind: "delay", group: "Links", what: "Each message is late", needs: ["delay", ...LINK] },
  { kind: "lose", group: "Links", what: "Messages get lost", needs: ["percent", ...LINK] },
  { kind: "lock-kmsuser", group: "kmsuser", what: "Wrong passwords until kmsuser is locked out", needs: [] },
  { kind: "change-kmsuser-password", group: "kmsuser", what: "kmsuser has a password that nobody knows", needs: [] },
  { kind: "remove-kmsuser", group: "kmsuser", what: "kmsuser is gone, its keys stay", needs: [] },
  { kind: "delete-cluster", group: "Cluster and network", what: "The cluster vanishes without a last backup; it cannot be undone", needs: [], wholeCluster: true },
  { kind: "delete-subnet", group: "Cluster and network", what: "A subnet of the cluster is gone", needs: [], wholeCluster: true },
  { kind: "fill-subnet", group: "Cluster and network", what: "A subnet of the cluster has no free address", needs: [], wholeCluster: true },
  { kind: "close-security-group", group: "Cluster and network", what: "Nothing passes between KMS and the cluster when a connect is tried", needs: [], wholeCluster: true },
];

export interface Form {
  kind: FaultKind;
  cluster: string;
  zone: string;
  hsm: string;
  direction: "to-hsm" | "from-hsm" | "both";
  delayMs: string;
  percent: string;
  seconds: string;
}

/** The order that a filled form asks for: nothing that the fault does not take. */
export function orderOf(form: Form): FaultOrder {
  const about = FAULTS.find(({ kind }) => kind === form.kind);
  const order: FaultOrder = { kind: form.kind };
  if (form.cluster !== "") order.cluster = form.cluster;
  if (about?.wholeCluster !== true) {
    if (form.zone !== "") order.zone = form.zone;
    if (form.hsm !== "") order.hsm = form.hsm;
  }
  for (const need of about?.needs ?? []) {
    if (need === "direction") order.direction = form.direction;
    if (need === "delay") order.delay_ms = Number(form.delayMs);
    if (need === "percent") order.percent = Number(form.percent);
  }
  if (form.seconds !== "") order.duration_ms = Number(form.seconds) * 1000;
  return order;
}
