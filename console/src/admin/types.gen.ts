// @generated from crates/admin by its tests; see crates/admin/src/tests.

/** The first password of a cluster's `admin`. */
export interface ActivateRequest {
  /** The new password, 7 to 32 characters. */
  password: string;
}

/** How many addresses of a subnet. */
export type Addresses = "all" | number;

/** Which calls of the admin API are among the events. */
export type AdminCalls = "changes" | "all" | "only" | "none";

/** How far the clock is put forward. */
export interface AdvanceRequest {
  /** Seconds, at most those of 400 days. */
  seconds: number;
}

/** An attribute that a key shall have. */
export interface AttributeRequest {
  /** `key-reference=0x…` or `attr.NAME=VALUE`; exactly one key must meet all. */
  filter: string[];
  /** The name of the attribute. */
  name: string;
  /** The token of a session, as a login gave it. */
  token: string;
  /** The value that the attribute gets. */
  value: string;
}

/** The value of an attribute. */
export type AttributeValue = boolean | number | string;

/** Which backup of the destroyed cluster a rehearsal restores. */
export type BackupChoice = "fresh" | "newest" | "oldest";

/** What came of some of the calls of a run. */
export interface CallResults {
  /** How many calls failed. */
  failed: number;
  /** The latencies of the calls that failed; null when none did. */
  failures: RunLatency | null;
  /** The longest latency, in microseconds. */
  latency_us_max?: number;
  /** The mean latency, in microseconds. */
  latency_us_mean?: number;
  /** The latency that half of the calls were faster than, in microseconds. */
  latency_us_p50?: number;
  /** The latency that 9 of 10 calls were faster than, in microseconds. */
  latency_us_p90?: number;
  /** The latency that 99 of 100 calls were faster than, in microseconds. */
  latency_us_p99?: number;
  /** The latency that 999 of 1,000 calls were faster than, in microseconds. */
  latency_us_p99_9?: number;
  /** The latency that 9,999 of 10,000 calls were faster than, in microseconds. */
  latency_us_p99_99?: number;
  /** How many calls succeeded. */
  succeeded: number;
}

/** What came of undoing every fault. */
export interface ClearedFaults {
  /** How many were undone. */
  undone: number;
}

/** The services' clock. */
export interface Clock {
  /** The date that the services have, such as `2026-08-30T12:36:00Z`. */
  now: string;
  /** The date that the machine has. */
  real: string;
  /** How long changes of state take: `immediate`, `after:SECONDS`, `describes:N` or `aws`. */
  state_changes: string;
  /** How many times faster than real time the services' clock runs. */
  time_scale: number;
}

/** A cluster with its HSMs. */
export interface ClusterStatus {
  /** The account that it belongs to. */
  account: string;
  /** Its HSMs in the order of their IDs. */
  hsms: HsmStatus[];
  /** The ID of the cluster, such as `cluster-abcdefghijk`. */
  id: string;
  /** The Region that it is in. */
  region: string;
  /** Its state, as DescribeClusters shows it. */
  state: string;
}

/** The account and Region of calls that name none. */
export interface Defaults {
  /** The account, twelve digits. */
  account: string;
  /** The name of the Region, such as `us-east-1`. */
  region: string;
}

/** Which messages a fault of links is about. */
export type Direction = "to-hsm" | "from-hsm" | "both";

/** One of the three settings of a custom key store that can be edited. */
export type EditKind = "name" | "password" | "cluster";

/** Where a host will stand. */
export interface EnrolRequest {
  /** Its Availability Zone; the first one of the default Region when none is named. */
  availability_zone?: string;
}

/** A host that may join. */
export interface EnrolledHost {
  /** The Availability Zone that it stands in. */
  availability_zone: string;
  /** Until when the token is accepted. */
  expires: string;
  /** The number of the host, in the order of invitation. */
  host: number;
  /** The address of the control plane that the host connects to. */
  join: string;
  /** The token with which one host may join, once. */
  token: string;
}

/** The events that are kept, in the form of a CloudTrail log file. */
export interface EventPage {
  /** The events, the oldest first. */
  Records: EventRecord[];
  /** How many older ones were dropped. */
  dropped: number;
}

/** Which events are shown. All that are given must hold. */
export interface EventQuery {
  /** Which calls of the admin API are among them. */
  admin?: AdminCalls;
  /** The ID or ARN of a key that it is about. */
  key?: string;
  /** The name of the event, such as `ConnectCustomKeyStore`. */
  name?: string;
  /** A date such as `2026-08-30T12:36:00Z`, or seconds since 1970: what is older is left out. */
  since?: string;
}

/** A CloudTrail record. It has more members than these. */
export interface EventRecord {
  /** The Region that was called. */
  awsRegion?: string;
  /** The exception with which it failed. */
  errorCode?: string;
  /** The text of that exception. */
  errorMessage?: string;
  /** The ID of the event, a UUID. */
  eventID: string;
  /** The operation that was called, or what the service did. */
  eventName: string;
  /** The service, such as `kms.amazonaws.com`. */
  eventSource: string;
  /** When, as `2026-08-30T12:36:00Z`. */
  eventTime: string;
  /** `AwsApiCall` or `AwsServiceEvent`. */
  eventType?: string;
  /** The account that sees the event. */
  recipientAccountId?: string;
  /** What it is about. */
  resources?: EventResource[];
  /** The caller, as CloudTrail shows it. */
  userIdentity?: Record<string, unknown>;
}

/** What an event is about. */
export interface EventResource {
  /** The ARN of the resource. */
  ARN?: string;
}

/** A fault as it is listed. */
export interface Fault {
  /** How late, in milliseconds. */
  delay_ms: number | null;
  /** Which messages, for a fault of links. */
  direction: Direction | null;
  /** The IDs of the HSMs that it befalls at present. */
  hsms: string[];
  /** `fault-` and a number, by which it is undone. */
  id: string;
  /** The kind of the fault, which says what is broken. */
  kind: FaultKind;
  /** How many milliseconds it still lasts; null when it stays until it is undone. */
  left_ms: number | null;
  /** How many of a hundred messages. */
  percent: number | null;
  /** The cluster, zone and HSM that were named. */
  place: string;
  /** When it was injected, in milliseconds since 1970 on the services' clock. */
  since_ms: number;
  /** Whether it can be undone. */
  undoable: boolean;
}

/** What a kind of fault is, does and takes. */
export interface FaultDescription {
  /** What it does, in a sentence without its full stop. */
  effect: string;
  /** What of Portcullis it breaks. */
  group: FaultGroup;
  /** The kind of the fault. */
  kind: FaultKind;
  /** What an order for it may have beside the place. */
  optional: FaultField[];
  /** What an order for it must name. */
  place: FaultPlace;
  /** What an order for it must have beside the place. */
  required: FaultField[];
  /** What undoing it does, in a sentence without its full stop. */
  undo: string;
}

/** A field of an order for a fault, beside its kind and its place. */
export type FaultField = "direction" | "delay_ms" | "percent" | "duration_ms";

/** What of Portcullis a fault breaks, as people are shown it. */
export type FaultGroup = "HSMs" | "Links" | "kmsuser" | "Cluster and network";

/** The faults there are, by the names under which they are asked for. */
export type FaultKind = "crash" | "hang" | "slow" | "degrade" | "fill-disk" | "corrupt-disk" | "partition" | "delay" | "lose" | "lock-kmsuser" | "change-kmsuser-password" | "remove-kmsuser" | "delete-cluster" | "delete-subnet" | "fill-subnet" | "close-security-group";

/** Every kind of fault. */
export interface FaultKindList {
  /** In the order in which people are shown them. */
  kinds: FaultDescription[];
}

/** The faults that are not undone. */
export interface FaultList {
  /** In the order of injection. */
  faults: Fault[];
}

/** A fault that shall be injected. */
export interface FaultOrder {
  /** HSMs of this cluster are broken. All places that are given must hold. */
  cluster?: string;
  /** How late, in milliseconds from 1 to 60,000. */
  delay_ms?: number;
  /** Which messages, for a fault of links; both ways when it is left out. */
  direction?: Direction;
  /** After how many milliseconds it is undone by itself, at most those of a week; never when it is left out. */
  duration_ms?: number;
  /** This HSM is broken. */
  hsm?: string;
  /** The kind of the fault, which says what is broken. */
  kind: FaultKind;
  /** How many of a hundred messages, from 1 to 100. */
  percent?: number;
  /** HSMs in this Availability Zone are broken. */
  zone?: string;
}

/** What an order for a fault must name. */
export type FaultPlace = "hsms" | "cluster";

/** A key that shall be made. */
export interface GenerateRequest {
  /** Attributes as `NAME=VALUE`. */
  attributes?: string[];
  /** Its length in bytes: 16, 24 or 32. */
  key_length_bytes: number;
  /** The label of the key. */
  label: string;
  /** The crypto users with whom it is shared. */
  share_crypto_users?: string[];
  /** The session of the crypto user who will own it. */
  token: string;
}

/** Whether Portcullis runs, and can write. */
export interface Health {
  /** Why nothing can be written; absent otherwise. */
  reason?: string;
  /** How often the world was begun anew since then. */
  resets: number;
  /** The services, as LocalStack names them. */
  services: Services;
  /** `running`, or `read-only` while nothing can be written. */
  status: string;
  /** Seconds since it was started. */
  uptime: number;
  /** The version of Portcullis. */
  version: string;
}

/** A host: another process that runs an HSM. */
export interface Host {
  /** Where that HSM listens. */
  address: string | null;
  /** The Availability Zone that it stands in. */
  availability_zone: string;
  /** Where it calls from; null while it is not connected. */
  calls_from: string | null;
  /** The cluster of that HSM. */
  cluster: string | null;
  /** The number of the host, in the order of invitation. */
  host: number;
  /** The HSM that it runs. */
  hsm: string | null;
  /** Whether the host has joined, and whether it is connected. */
  state: HostState;
}

/** The hosts that were invited. */
export interface HostList {
  /** In the order of their numbers. */
  hosts: Host[];
}

/** How a host is. */
export type HostState = "INVITED" | "EXPIRED" | "IDLE" | "SERVING" | "DOWN" | "LOST" | "REVOKED";

/** An HSM as the CloudHSM CLI describes it. */
export interface HsmInfo {
  /** Where it really listens; null before the cluster is initialised. */
  address: string | null;
  /** The name of the Availability Zone that it is in. */
  "availability-zone": string;
  /** A text that says that the HSM is no FIPS module. */
  "fips-state": string;
  /** The third part of the version of Portcullis. */
  "firmware-build-number": string;
  /** The name of the software and its version. */
  "firmware-id": string;
  /** The first part of the version of Portcullis. */
  "firmware-version-major": string;
  /** The second part of the version of Portcullis. */
  "firmware-version-minor": string;
  /** The first part of the version of the hardware, always `0`. */
  "hardware-version-major": string;
  /** The second part of the version of the hardware, always `0`. */
  "hardware-version-minor": string;
  /** The ID of the HSM. */
  "hsm-id": string;
  /** The address that the HSM has in the VPC. */
  ip: string;
  /** The model of the HSM, always `software HSM`. */
  model: string;
  /** The ID of the HSM. */
  "serial-number": string;
  /** Its state, as DescribeClusters shows it. */
  state: string;
  /** The vendor of the HSM, always `Portcullis`. */
  vendor: string;
}

/** The HSMs of a cluster. */
export interface HsmInfoList {
  /** In the order of their IDs. */
  hsms: HsmInfo[];
}

/** An HSM of a cluster. */
export interface HsmStatus {
  /** Where it really listens; null before the cluster is initialised. */
  address: string | null;
  /** The name of the Availability Zone that it is in. */
  availability_zone: string;
  /** The ID of the HSM, such as `hsm-abcdefghijk`. */
  id: string;
  /** Its state, as DescribeClusters shows it. */
  state: string;
}

/** The order of a run as it is kept: without the password, and with its date. */
export interface KeptLoadOrder {
  /** The account that calls. */
  account: string;
  /** The backup that a rehearsal restores. */
  backup: BackupChoice | null;
  /** What `edit-cycle` edits, in turn. */
  edits: EditKind[];
  /** The ID or name of the key store, if one was named. */
  key_store: string | null;
  /** How many keys a rehearsal makes after the backup. */
  keys_after_backup: number;
  /** How many calls a second were asked for. */
  rate: number;
  /** The Region that is called. */
  region: string;
  /** What happens in the run. */
  scenario: LoadScenario;
  /** Seconds; in a rehearsal before the loss and again after the repair. */
  seconds: number;
  /** When the run began, in milliseconds since 1970. */
  started_at_ms: number;
}

/** One key of a cluster. */
export interface KeyFilter {
  /** `key-reference=0x…` or `attr.NAME=VALUE`; exactly one key must meet all. */
  filter: string[];
  /** The token of a session, as a login gave it. */
  token: string;
}

/** Who may use a key. */
export interface KeyInfo {
  /** `full` when every HSM in service has it, otherwise `inconsistent`. */
  "cluster-coverage": string;
  /** The one crypto user who owns it. */
  "key-owners": KeyUser[];
  /** How many users must agree; there is no quorum here. */
  "key-quorum-values": KeyQuorum;
  /** The crypto users with whom it is shared. */
  "shared-users": KeyUser[];
}

/** The keys that are wanted. */
export interface KeyListRequest {
  /** `key-reference=0x…` or `attr.NAME=VALUE`; keys that meet all are listed. */
  filter?: string[];
  /** How many keys a page has at the most, from 1 on; 10 when it is left out. */
  max_items?: number;
  /** The `next_token` of the page before. */
  starting_token?: string;
  /** A session. A crypto user sees its own keys and those shared with it, an admin sees all. */
  token: string;
  /** Whether a crypto user is shown everything about its keys. */
  verbose?: boolean;
}

/** A page of keys. */
export interface KeyPage {
  /** In the order of their references. */
  matched_keys: ListedKey[];
  /** Where the next page begins; absent on the last one. */
  next_token?: string;
  /** How many of them this page has. */
  returned_key_count: number;
  /** How many keys meet the filter. */
  total_key_count: number;
}

/** How many users must agree before a key is managed or used. */
export interface KeyQuorum {
  /** Always 0: no quorum is asked for to manage the key. */
  "manage-key-quorum-value": number;
  /** Always 0: no quorum is asked for to use the key. */
  "use-key-quorum-value": number;
}

/** A custom key store and the state of its connection. */
export interface KeyStoreStatus {
  /** The account that it belongs to. */
  account: string;
  /** The ID of its cluster. */
  cluster_id: string;
  /** Its `ConnectionErrorCode`, when the state is FAILED. */
  error_code: string | null;
  /** The ID of the key store, such as `cks-1234567890abcdef0`. */
  id: string;
  /** The name of the key store. */
  name: string;
  /** The Region that it is in. */
  region: string;
  /** The `ConnectionState` that DescribeCustomKeyStores shows. */
  state: string;
}

/** A user of a key. */
export interface KeyUser {
  /** `full` when it is so on every HSM in service, otherwise `inconsistent`. */
  "key-coverage": string;
  /** The user's name. */
  username: string;
}

/** A key of a cluster. */
export interface ListedKey {
  /** Its attributes by name; only the label in a list that is not verbose. */
  attributes: Record<string, AttributeValue>;
  /** Who may use it; absent in a list that is not verbose. */
  "key-info"?: KeyInfo;
  /** By what filters select it, such as `0x00000000000000ab`. */
  "key-reference": string;
}

/** A load run that shall begin. */
export interface LoadOrder {
  /** The account that calls. */
  account: string;
  /** The password of the clusters' `admin`, for edits of the password and of the cluster. */
  admin_password?: string;
  /** The backup that a rehearsal restores; a fresh one when it is left out. */
  backup?: BackupChoice;
  /** What `edit-cycle` edits, in turn; only the name when it is left out. */
  edits?: EditKind[];
  /** The ID or name of the key store; the first CONNECTED one when it is left out. */
  key_store?: string;
  /** How many keys a rehearsal makes after the backup, which the repair loses. */
  keys_after_backup?: number;
  /** Calls a second, 1 to 50,000. */
  rate: number;
  /** The Region that is called. */
  region: string;
  /** What happens in the run. */
  scenario: LoadScenario;
  /** Seconds, 1 to 600; in a rehearsal before the loss and again after the repair. */
  seconds: number;
}

/** A phase of a key store's life under load. */
export type LoadPhase = "connected" | "disconnecting" | "disconnected" | "editing" | "connecting";

/** A load run that goes on or has ended. */
export interface LoadRun {
  /** The ID of the run, by which other calls name it. */
  id: string;
  /** What was asked for. */
  order: KeptLoadOrder | null;
  /** What came of a rehearsal, as `portcullis chaos run` prints it; null before its end and of other scenarios. */
  rehearsal: Rehearsal | null;
  /** Whether it goes on. */
  state: LoadRunState;
  /** What came of it, as in its `summary.json`; null before its end and of a rehearsal. */
  summary: RunSummary | null;
}

/** A load run and what its timeline has grown by. */
export interface LoadRunDetail {
  /** The ID of the run, by which other calls name it. */
  id: string;
  /** What the run wrote beside its result. */
  messages: string;
  /** How many lines of the timeline the client has then. */
  next: number;
  /** What was asked for. */
  order: KeptLoadOrder | null;
  /** What came of a rehearsal, as `portcullis chaos run` prints it; null before its end and of other scenarios. */
  rehearsal: Rehearsal | null;
  /** Whether it goes on. */
  state: LoadRunState;
  /** What came of it, as in its `summary.json`; null before its end and of a rehearsal. */
  summary: RunSummary | null;
  /** The lines of the timeline from the wanted one on; null stands for one that cannot be read. */
  timeline: (TimelineLine | null)[];
}

/** The load runs that are kept. */
export interface LoadRunList {
  /** The runs, the newest first. */
  runs: LoadRun[];
}

/** From where on a run's timeline is wanted. */
export interface LoadRunQuery {
  /** How many lines of the timeline the client has already. */
  from?: number;
}

/** Whether a load run goes on. */
export type LoadRunState = "running" | "ended";

/** What happens in a load run. */
export type LoadScenario = "steady" | "edit-cycle" | "substitution";

/** What arrived and ended within one second of a load run. */
export interface LoadSecond {
  /** How many calls have an intended send time that lies in it. */
  arrived: number;
  /** Its length in milliseconds: 1,000, but for the last. */
  duration_ms: number;
  /** How many calls failed, by the name of the exception. */
  errors: Record<string, number>;
  /** How many calls failed. */
  failed: number;
  /** How many late arrivals waited for a connection at its end. */
  late: number;
  /** The longest latency of a success, in microseconds; null without any. */
  latency_us_max: number | null;
  /** The median latency of the successes of all operations, in microseconds; null without any. */
  latency_us_p50: number | null;
  /** What 99 of 100 successes were faster than, in microseconds; null without any. */
  latency_us_p99: number | null;
  /** The same by the name of the operation; those that did not occur are left out. */
  operations: Record<string, OperationSecond>;
  /** The phase at its end. */
  phase: LoadPhase;
  /** The number of the second, 0 for the first. */
  second: number;
  /** How many arrivals were dropped because the queue of late ones was full. */
  shed: number;
  /** How many calls succeeded. */
  succeeded: number;
}

/** A phase of a load run with its exact start and end, in microseconds since the load began. */
export interface LoadSpan {
  /** The number of the cycle, 0 before the first. */
  cycle: number;
  /** What is edited in this cycle; null before the first. */
  edit: EditKind | null;
  /** Microseconds from the start of the load to its end. */
  end_us: number;
  /** The phase that lasted from start to end. */
  phase: LoadPhase;
  /** Microseconds from the start of the load to its own. */
  start_us: number;
}

/** A session that was opened. */
export interface LoggedIn {
  /** The user's role. */
  role: Role;
  /** What calls that need a session bring. */
  token: string;
  /** The user's name, in lower case. */
  username: string;
}

/** The user that logs in, with the password. */
export interface LoginRequest {
  /** The user's password. */
  password: string;
  /** The user's role. */
  role: Role;
  /** The user's name. */
  username: string;
}

/** A key that was lost. */
export interface LostKey {
  /** The exception that its ciphertext is refused with. */
  error: string;
  /** The ID of the key. */
  key_id: string;
}

/** A key that was made. */
export interface MadeKey {
  /** The key with all its attributes. */
  key: ListedKey;
}

/** A sentence about a key that a call has changed. */
export interface Message {
  /** A sentence that says what was done. */
  message: string;
}

/** The network of an account in a Region. */
export interface Network {
  /** The rules of each security group of a cluster, by the group's ID. */
  security_groups: Record<string, NetworkRule[]>;
  /** The subnets by ID. */
  subnets: Record<string, Subnet>;
}

/** A rule of a security group, for TCP. */
export interface NetworkRule {
  /** Which way it lets traffic pass. */
  direction: RuleDirection;
  /** The lowest TCP port that the rule is about. */
  from_port: number;
  /** The ID of the security group from or to which traffic passes. */
  peer: string;
  /** The highest TCP port that the rule is about. */
  to_port: number;
}

/** Nothing to say, but in JSON: pages of other origins cannot send that. */
export type Nothing = Record<string, never>;

/** What ended of one operation within a second. */
export interface OperationSecond {
  /** How many calls failed. */
  failed: number;
  /** The longest latency of a success, in microseconds; null without any. */
  latency_us_max: number | null;
  /** The median latency of the successes, in microseconds; null without any. */
  latency_us_p50: number | null;
  /** What 99 of 100 successes were faster than, in microseconds; null without any. */
  latency_us_p99: number | null;
  /** How many calls succeeded. */
  succeeded: number;
}

/** What came of the calls that were sent in one phase, in all cycles together. */
export interface PhaseResults {
  /** How many calls failed. */
  failed: number;
  /** The latencies of the calls that failed; null when none did. */
  failures: RunLatency | null;
  /** The longest latency, in microseconds. */
  latency_us_max?: number;
  /** The mean latency, in microseconds. */
  latency_us_mean?: number;
  /** The latency that half of the calls were faster than, in microseconds. */
  latency_us_p50?: number;
  /** The latency that 9 of 10 calls were faster than, in microseconds. */
  latency_us_p90?: number;
  /** The latency that 99 of 100 calls were faster than, in microseconds. */
  latency_us_p99?: number;
  /** The latency that 999 of 1,000 calls were faster than, in microseconds. */
  latency_us_p99_9?: number;
  /** The latency that 9,999 of 10,000 calls were faster than, in microseconds. */
  latency_us_p99_99?: number;
  /** How many seconds the phase lasted. */
  seconds: number;
  /** How many calls succeeded. */
  succeeded: number;
}

/** The account and Region that a call is about. Portcullis has defaults for what is left out. */
export interface Place {
  /** The account, twelve digits. */
  account?: string;
  /** The Region that the call is about. */
  region?: string;
}

/** What came of a rehearsal, as it is printed. */
export interface Rehearsal {
  /** The ID of the backup that it was made from. */
  backup_id: string;
  /** The codes with which connects failed on the way. */
  connect_errors: string[];
  /** What was rehearsed, as the script describes it. */
  description: string;
  /** How many calls passed a gate that was shut. */
  gate_leaks: number;
  /** The ID of the key store. */
  key_store_id: string;
  /** How many keys were used. */
  keys: number;
  /** The keys that the new cluster does not have. */
  lost_keys: LostKey[];
  /** The ID of the cluster that took its place. */
  new_cluster_id: string;
  /** The ID of the cluster that was destroyed. */
  old_cluster_id: string;
  /** Milliseconds in which no call was answered; null when no call succeeded any more. */
  outage_ms: number | null;
  /** Whether every limit was kept and nothing leaked or came out wrong. */
  passed: boolean;
  /** The stages, in order. */
  stages: RehearsalStage[];
  /** The limits and what was found. */
  thresholds: RehearsalThreshold[];
  /** How many plaintexts came out wrong. */
  wrong_plaintexts: number;
}

/** What became of the calls that were sent in a stage of a rehearsal. */
export interface RehearsalStage {
  /** Milliseconds from the start of the load to its end. */
  end_ms: number;
  /** How many calls failed, by the name of what they failed with. */
  failed: Record<string, number>;
  /** The stage that lasted from start to end. */
  stage: RepairStage;
  /** Milliseconds from the start of the load to its own. */
  start_ms: number;
  /** How many calls succeeded. */
  succeeded: number;
}

/** A limit of a rehearsal and what was found. */
export interface RehearsalThreshold {
  /** What was found; null when it was not measured, which is a miss. */
  found: number | null;
  /** The most that may be found, in the unit that the name says. */
  limit: number;
  /** What is limited, such as `outage_ms`. */
  name: string;
  /** Whether the limit was kept. */
  passed: boolean;
}

/** A stage of the repair that is rehearsed. */
export type RepairStage = "before" | "lost" | "restoring" | "substituting" | "connecting" | "after";

/** A key that another cluster shall have too; the path names the one that has it. */
export interface ReplicateRequest {
  /** A session on the cluster that shall have it. */
  destination_token: string;
  /** `key-reference=0x…` or `attr.NAME=VALUE`; exactly one key must meet all. */
  filter: string[];
  /** A session on the cluster that has it. */
  token: string;
}

/** A key that another cluster has now too. */
export interface ReplicatedKey {
  /** The key with all its attributes. */
  key: ListedKey;
  /** A sentence that says that the key was copied. */
  message: string;
}

/** How often the world will have been begun anew. */
export interface ResetCount {
  /** It is done when the health shows this number. */
  resets: number;
}

/** A host that is let in no more. */
export interface RevokedHost {
  /** The number of the host, in the order of invitation. */
  host: number;
  /** The HSM that it ran, which is used no more. */
  hsm: string | null;
  /** The state of the host, which is REVOKED. */
  state: HostState;
}

/** What a user of an HSM may do. */
export type Role = "unactivated-admin" | "admin" | "crypto-user" | "internal(APPLIANCE_USER)";

/** Which way a rule lets traffic pass. */
export type RuleDirection = "inbound" | "outbound";

/** The rules that a security group shall have. */
export interface RulesRequest {
  /** They replace those that it has. */
  rules: NetworkRule[];
}

/** A distribution of latencies in a few numbers. */
export interface RunLatency {
  /** The longest latency, in microseconds. */
  latency_us_max: number;
  /** The mean latency, in microseconds. */
  latency_us_mean: number;
  /** The latency that half of the calls were faster than, in microseconds. */
  latency_us_p50: number;
  /** The latency that 9 of 10 calls were faster than, in microseconds. */
  latency_us_p90: number;
  /** The latency that 99 of 100 calls were faster than, in microseconds. */
  latency_us_p99: number;
  /** The latency that 999 of 1,000 calls were faster than, in microseconds. */
  latency_us_p99_9: number;
  /** The latency that 9,999 of 10,000 calls were faster than, in microseconds. */
  latency_us_p99_99: number;
}

/** What came of a load run: its `summary.json`. */
export interface RunSummary {
  /** How many arrivals were still late at the end and never sent. */
  abandoned: number;
  /** Calls a second that were answered, with a success or an exception, while the load went on. */
  achieved_rate: number;
  /** How many calls were due. */
  arrived: number;
  /** The calls by the phase in which they were sent. */
  by_phase: Record<string, PhaseResults>;
  /** Whether latencies count from the real send, not from the intended one. */
  closed_loop: boolean;
  /** How many connections there were; each carries one call at a time. */
  connections: number;
  /** How many calls to a connected key store failed as if it were disconnected. */
  disconnected_errors_while_connected: number;
  /** How many seconds calls were sent for. */
  duration_seconds: number;
  /** How many edits were made. */
  edits_made: number;
  /** The URL of the endpoint that was called. */
  endpoint: string;
  /** How many calls failed, by the name of the exception. */
  errors: Record<string, number>;
  /** How many calls failed. */
  failed: number;
  /** How many calls passed a gate that was shut. */
  gate_leaks: number;
  /** Calls a second that were meant to be sent; null when there was no limit. */
  intended_rate: number | null;
  /** The ARN of the key that was used. */
  key_id: string;
  /** The ID of the key store that the key is in; null for a key of the Region's own. */
  key_store_id: string | null;
  /** The latencies of the calls that succeeded; null when none did. */
  latency: RunLatency | null;
  /** The calls by the name of the operation. */
  operations: Record<string, CallResults>;
  /** By how much the load generator was late to send, though a connection was free. */
  own_lag: RunLatency | null;
  /** Whether every threshold was met and nothing leaked or came out wrong. */
  passed: boolean;
  /** The phases of the run in order, without gaps. */
  phases: LoadSpan[];
  /** How many plaintexts were compared with what was encrypted. */
  plaintexts_compared: number;
  /** What happened in the run. */
  scenario: LoadScenario;
  /** The seed of the calls: the same one makes the same calls again. */
  seed: number;
  /** How many arrivals were dropped because too many were late already. */
  shed: number;
  /** When the run began, in milliseconds since 1970. */
  started_at_ms: number;
  /** Why the run stopped early, if it did. */
  stopped: string | null;
  /** How many calls succeeded. */
  succeeded: number;
  /** The thresholds that were given, in their order. */
  thresholds: RunThreshold[];
  /** How many ciphertexts were kept but not decrypted after the run, for want of time. */
  unchecked: number;
  /** How many ciphertexts of this run did not open, by the name of the exception. */
  undecryptable: Record<string, number>;
  /** How many calls failed with what no disconnected key store explains. */
  unexpected_errors: number;
  /** The version of the load generator. */
  version: string;
  /** How many calls to a disconnected key store failed with another exception than they must. */
  wrong_errors_while_disconnected: number;
  /** How many plaintexts came out wrong. */
  wrong_plaintexts: number;
}

/** A threshold and what was measured. */
export interface RunThreshold {
  /** The measured value, in the unit; null when nothing was measured, which is a miss. */
  measured: number | null;
  /** Whether the threshold was met. */
  passed: boolean;
  /** The threshold as the user wrote it. */
  threshold: string;
  /** The unit of the measured value. */
  unit: ThresholdUnit;
}

/** The services, each with its state. */
export interface Services {
  /** The state of CloudHSM: `running`. */
  cloudhsm: string;
  /** The state of KMS: `running`. */
  kms: string;
}

/** A session that is asked about or ended. */
export interface SessionRequest {
  /** The token that logging in gave. */
  token: string;
}

/** A key and the crypto user with whom it shall be shared, or no longer. */
export interface ShareRequest {
  /** `key-reference=0x…` or `attr.NAME=VALUE`; exactly one key must meet all. */
  filter: string[];
  /** The session of the crypto user who owns the key. */
  token: string;
  /** The name of the other crypto user. */
  username: string;
}

/** A load run that has begun. */
export interface StartedLoadRun {
  /** The ID of the run, by which other calls name it. */
  id: string;
}

/** How long changes of state shall take. */
export interface StateChangesRequest {
  /** `immediate`, `after:SECONDS`, `describes:N` or `aws`. */
  state_changes: string;
}

/** Key stores, clusters and HSMs of every account and Region. */
export interface Status {
  /** The clusters of every account and Region. */
  clusters: ClusterStatus[];
  /** What a call is about that names no account or no Region. */
  defaults: Defaults;
  /** The custom key stores of every account and Region. */
  key_stores: KeyStoreStatus[];
  /** The subnets of the default VPC by Region and Availability Zone, of the default Region and of every one that has a cluster. */
  subnets: Record<string, Record<string, string>>;
}

/** A subnet of a VPC. */
export interface Subnet {
  /** Its range, such as `172.31.0.0/20`. */
  cidr: string;
  /** Whether it was deleted. */
  deleted: boolean;
  /** How many addresses others than HSMs have. */
  taken: number;
  /** The ID of its VPC. */
  vpc: string;
  /** The name of the Availability Zone that it is in. */
  zone: string;
}

/** A subnet that shall be made. */
export interface SubnetRequest {
  /** Its range, from /16 to /28, such as `10.0.1.0/24`. */
  cidr: string;
  /** Its ID: `subnet-` and 8 to 17 hexadecimal digits. */
  id: string;
  /** The ID of its VPC; the default one when it is left out. */
  vpc?: string;
  /** The name of the Availability Zone that it is in. */
  zone: string;
}

/** How many addresses of a subnet others than HSMs have. */
export interface TakeRequest {
  /** A number, or `all` for every one that no HSM has. It replaces what they had. */
  addresses: Addresses;
}

/** The unit in which the value of a threshold is measured. */
export type ThresholdUnit = "microseconds" | "share" | "count" | "per second";

/** How fast the clock shall run. */
export interface TimeScaleRequest {
  /** How many times faster than real time: 1 to 1,000,000. */
  time_scale: number;
}

/** A line of `timeline.jsonl`, which grows while a run goes on. */
export type TimelineLine = LoadSecond & { type: "second" } | LoadSpan & { type: "phase" };

/** A key that shall be made from what was wrapped. */
export interface UnwrapRequest {
  /** Additional authenticated data of AES-GCM, in hexadecimal. */
  aad?: string;
  /** Its attributes as `NAME=VALUE`. */
  attributes?: string[];
  /** The wrapped key in Base64. */
  data: string;
  /** Selects the key to unwrap with. */
  filter: string[];
  /** The initial value of `aes-gcm`, in hexadecimal. */
  iv?: string;
  /** The type of the wrapped key: `aes`. */
  key_type_class: string;
  /** The label of the new key. */
  label: string;
  /** `aes-gcm`, `cloudhsm-aes-gcm`, `aes-no-pad`, `aes-pkcs5-pad` or `aes-zero-pad`. */
  mechanism: string;
  /** The crypto users with whom it is shared. */
  share_crypto_users?: string[];
  /** The length of the tag of AES-GCM. */
  tag_length_bits?: number;
  /** The session of the crypto user who will own it. */
  token: string;
}

/** A user of a cluster. */
export interface User {
  /** `full` when the user is on every HSM in service, otherwise `inconsistent`. */
  "cluster-coverage": string;
  /** Whether wrong passwords locked the user out: `true`, `false`, or `inconsistent` when only on some HSMs. */
  locked: string;
  /** Second factors; there are none here. */
  mfa: string[];
  /** Services for which the user's approval is asked; there is no quorum here. */
  quorum: string[];
  /** The user's role. */
  role: Role;
  /** The user's name, in lower case. */
  username: string;
}

/** The users of a cluster. */
export interface UserList {
  /** Those of every HSM. */
  users: User[];
}

/** A user by name and role. */
export interface UserName {
  /** The user's role. */
  role: Role;
  /** The user's name, in lower case. */
  username: string;
}

/** A user and the password that it shall have. */
export interface UserPasswordRequest {
  /** The new password, 7 to 32 characters. */
  password: string;
  /** The user's role. */
  role: Role;
  /** The session of an admin, or of the user whose password is changed. */
  token: string;
  /** The user's name. */
  username: string;
}

/** A user that shall be deleted. */
export interface UserRequest {
  /** The user's role. */
  role: Role;
  /** The session of an admin. */
  token: string;
  /** The user's name. */
  username: string;
}

/** A key that shall be wrapped. */
export interface WrapRequest {
  /** Additional authenticated data of AES-GCM, in hexadecimal. */
  aad?: string;
  /** `aes-gcm`, `cloudhsm-aes-gcm`, `aes-no-pad`, `aes-pkcs5-pad` or `aes-zero-pad`. */
  mechanism: string;
  /** Selects the key to be wrapped. */
  payload_filter: string[];
  /** The length of the tag of AES-GCM. */
  tag_length_bits?: number;
  /** The session of the crypto user who owns the key. */
  token: string;
  /** Selects the key to wrap with. */
  wrapping_filter: string[];
}

/** A key that was wrapped. */
export interface WrappedKey {
  /** The initial value in hexadecimal; only of `aes-gcm`. */
  iv?: string;
  /** The reference of the key that was wrapped. */
  payload_key_reference: string;
  /** The wrapped key in Base64. */
  wrapped_key_data: string;
  /** The reference of the key that it was wrapped with. */
  wrapping_key_reference: string;
}
