/** What only a simulator has, under `/_portcullis/`. AWS matters never come this way. */

/** A refusal of the simulator, in its own words. */
export class Refused extends Error {
  override name = "Refused";
}

async function ask(method: string, path: string, body?: unknown): Promise<unknown> {
  const init: RequestInit = { method };
  if (method !== "GET") {
    init.headers = { "content-type": "application/json" };
    if (body !== undefined) init.body = JSON.stringify(body);
  }
  let response: Response;
  try {
    response = await fetch(`/_portcullis/${path}`, init);
  } catch {
    throw new Refused("Portcullis does not answer. Is it still running?");
  }
  const reply: unknown = await response.json().catch(() => null);
  if (!isObject(reply)) throw new Refused(`Portcullis answered ${response.status} without a text.`);
  if ("error_code" in reply) {
    if (reply["error_code"] !== 0) throw new Refused(text(reply["data"]));
    return reply["data"];
  }
  if (!response.ok) throw new Refused(text(reply["message"]));
  return reply;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "Portcullis refused it without a reason.";
}

export interface Scope {
  account: string;
  region: string;
}

const query = ({ account, region }: Scope) => `?account=${account}&region=${region}`;

export interface StatusHsm {
  id: string;
  availability_zone: string;
  state: string;
  address: string | null;
}

export interface Status {
  key_stores: {
    id: string;
    name: string;
    state: string;
    error_code: string | null;
    cluster_id: string | null;
    account: string;
    region: string;
  }[];
  clusters: { id: string; state: string; account: string; region: string; hsms: StatusHsm[] }[];
  subnets: Record<string, Record<string, string>>;
  defaults: Scope;
}

export const status = () => ask("GET", "status") as Promise<Status>;

export const defaults = async (): Promise<Scope> => (await status()).defaults;

export type FaultKind =
  | "crash" | "hang" | "slow" | "degrade" | "fill-disk" | "corrupt-disk"
  | "partition" | "delay" | "lose"
  | "lock-kmsuser" | "change-kmsuser-password" | "remove-kmsuser"
  | "delete-cluster" | "delete-subnet" | "fill-subnet" | "close-security-group";

export interface FaultOrder {
  kind: FaultKind;
  cluster?: string;
  zone?: string;
  hsm?: string;
  direction?: "to-hsm" | "from-hsm" | "both";
  delay_ms?: number;
  percent?: number;
  duration_ms?: number;
}

export interface Fault {
  id: string;
  kind: FaultKind;
  place: string;
  direction: string | null;
  delay_ms: number | null;
  percent: number | null;
  hsms: string[];
  since_ms: number;
  left_ms: number | null;
  undoable: boolean;
}

export const faults = async () => ((await ask("GET", "chaos")) as { faults: Fault[] }).faults;
export const inject = (scope: Scope, order: FaultOrder) =>
  ask("POST", `chaos${query(scope)}`, order) as Promise<Fault>;
export const undo = (id: string) => ask("DELETE", `chaos/${id}`);
export const clearFaults = () => ask("DELETE", "chaos") as Promise<{ undone: number }>;

export interface Clock {
  now: string;
  real: string;
  time_scale: number;
  state_changes: string;
}

export const clock = () => ask("GET", "clock") as Promise<Clock>;
export const advance = (seconds: number) => ask("POST", "clock/advance", { seconds }) as Promise<Clock>;
export const setScale = (scale: number) =>
  ask("POST", "clock/scale", { time_scale: scale }) as Promise<Clock>;
export const setStateChanges = (pace: string) =>
  ask("POST", "clock/state-changes", { state_changes: pace }) as Promise<Clock>;

/** A CloudTrail record; more members than these are shown as they are. */
export interface EventRecord {
  eventID: string;
  eventName: string;
  eventTime: string;
  eventSource: string;
  awsRegion?: string;
  recipientAccountId?: string;
  eventType?: string;
  errorCode?: string;
  errorMessage?: string;
  userIdentity?: Record<string, unknown>;
  resources?: { ARN?: string }[];
}

export const events = () => ask("GET", "events") as Promise<{ Records: EventRecord[]; dropped: number }>;

export interface User {
  username: string;
  role: string;
  locked: string;
  mfa: unknown[];
  "cluster-coverage": string;
}

const cluster = (id: string, path: string, scope: Scope) => `cloudhsm/${id}/${path}${query(scope)}`;

export const users = async (scope: Scope, id: string) =>
  ((await ask("GET", cluster(id, "users", scope))) as { users: User[] }).users;

export const activate = (scope: Scope, id: string, password: string) =>
  ask("POST", cluster(id, "activate", scope), { password });

/** Runs what needs a session of an admin, and ends the session whatever came of it. */
export async function asAdmin<T>(
  scope: Scope,
  id: string,
  admin: { username: string; password: string },
  run: (token: string) => Promise<T>,
): Promise<T> {
  const path = cluster(id, "login", scope);
  const reply = (await ask("POST", path, { ...admin, role: "admin" })) as { token: string };
  try {
    return await run(reply.token);
  } finally {
    await ask("POST", cluster(id, "logout", scope), { token: reply.token });
  }
}

export interface NamedUser {
  username: string;
  role: string;
}

export const createUser = (scope: Scope, id: string, token: string, user: NamedUser, password: string) =>
  ask("POST", cluster(id, "users", scope), { token, ...user, password });
export const changePassword = (scope: Scope, id: string, token: string, user: NamedUser, password: string) =>
  ask("POST", cluster(id, "users/change-password", scope), { token, ...user, password });
export const deleteUser = (scope: Scope, id: string, token: string, user: NamedUser) =>
  ask("POST", cluster(id, "users/delete", scope), { token, ...user });

export const crash = (hsm: string) => ask("POST", `hsm/${hsm}/crash`);
export const restart = (hsm: string) => ask("POST", `hsm/${hsm}/restart`);

export interface Subnet {
  vpc: string;
  zone: string;
  cidr: string;
  deleted: boolean;
  taken: number;
}

export const vpc = (scope: Scope) =>
  ask("GET", `vpc${query(scope)}`) as Promise<{ subnets: Record<string, Subnet> }>;

export type Scenario = "steady" | "edit-cycle" | "substitution";

export interface LoadOrder {
  scenario: Scenario;
  rate: number;
  seconds: number;
  account: string;
  region: string;
  key_store?: string;
  edits?: string[];
  /** Of a rehearsal: what is restored, and how many keys it loses. */
  backup?: "fresh" | "newest" | "oldest";
  keys_after_backup?: number;
  admin_password?: string;
}

export interface Second {
  type: "second";
  second: number;
  duration_ms: number;
  phase: Phase;
  succeeded: number;
  failed: number;
  late: number;
  latency_us_p50: number | null;
  latency_us_p99: number | null;
}

export type Phase = "connected" | "disconnecting" | "disconnected" | "editing" | "connecting";

export interface Span {
  type: "phase";
  cycle: number;
  phase: Phase;
  edit: string | null;
  start_us: number;
  end_us: number;
}

export interface Summary {
  passed: boolean;
  stopped: string | null;
  succeeded: number;
  failed: number;
  achieved_rate: number;
  gate_leaks: number;
  wrong_plaintexts: number;
  edits_made: number;
  latency: { latency_us_p50: number; latency_us_p99: number; latency_us_max: number } | null;
}

/** What came of a rehearsal, as `portcullis chaos run` prints it. */
export interface Rehearsal {
  key_store_id: string;
  old_cluster_id: string;
  new_cluster_id: string;
  backup_id: string;
  /** None when no call succeeded any more. */
  outage_ms: number | null;
  keys: number;
  lost_keys: { key_id: string; error: string }[];
  connect_errors: string[];
  gate_leaks: number;
  wrong_plaintexts: number;
  stages: Stage[];
  thresholds: { name: string; limit: number; found: number | null; passed: boolean }[];
  passed: boolean;
}

export interface Stage {
  stage: string;
  start_ms: number;
  end_ms: number;
  succeeded: number;
  /** Calls by the name of what they failed with. */
  failed: Record<string, number>;
}

export interface Run {
  id: string;
  state: "running" | "ended";
  order: (Omit<LoadOrder, "admin_password"> & { started_at_ms: number }) | null;
  summary: Summary | null;
  rehearsal: Rehearsal | null;
}

export interface RunDetail extends Run {
  timeline: (Second | Span | null)[];
  next: number;
  messages: string;
}

export const runs = async () => ((await ask("GET", "load")) as { runs: Run[] }).runs;
export const startRun = (order: LoadOrder) => ask("POST", "load", order) as Promise<{ id: string }>;
export const run = (id: string, from: number) => ask("GET", `load/${id}?from=${from}`) as Promise<RunDetail>;
export const stopRun = (id: string) => ask("DELETE", `load/${id}`);
export const reportAddress = (id: string) => `/_portcullis/load/${id}/report`;
