/**
 * What only a simulator has, under `/_portcullis/`. AWS matters never come this way. What is sent and what
 * comes back is in types.gen.ts.
 */
import type {
  ActivateRequest, AdvanceRequest, ClearedFaults, Clock, Defaults, EventPage, Fault, FaultKindList, FaultList, FaultOrder,
  LoadOrder, LoadRunDetail, LoadRunList, LoadSecond, LoadSpan, LoggedIn, LoginRequest, Network, SessionRequest,
  StartedLoadRun, StateChangesRequest, Status, TimeScaleRequest, UserList, UserName, UserPasswordRequest, UserRequest,
} from "./types.gen.ts";

export type {
  EventRecord, Fault, FaultDescription, FaultField, FaultKind, FaultOrder, LoadOrder, LoadPhase, LoadRun, LoadRunDetail,
  Rehearsal, RehearsalStage, Role, RunSummary, User, UserName,
} from "./types.gen.ts";

/** A refusal of the simulator, in its own words. */
export class Refused extends Error {
  override name = "Refused";
}

async function ask<Reply, Request = undefined>(method: string, path: string, body?: Request): Promise<Reply> {
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
    return reply["data"] as Reply;
  }
  if (!response.ok) throw new Refused(text(reply["message"]));
  return reply as Reply;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "Portcullis refused it without a reason.";
}

/** The account and Region that a call is about. */
export type Scope = Defaults;

/** The lines of a timeline. */
export type Second = LoadSecond & { type: "second" };
export type Span = LoadSpan & { type: "phase" };

const query = ({ account, region }: Scope) => `?account=${account}&region=${region}`;

export const status = () => ask<Status>("GET", "status");
export const defaults = async (): Promise<Scope> => (await status()).defaults;

export const faults = async () => (await ask<FaultList>("GET", "chaos")).faults;
export const faultKinds = async () => (await ask<FaultKindList>("GET", "chaos/kinds")).kinds;
export const inject = (scope: Scope, order: FaultOrder) =>
  ask<Fault, FaultOrder>("POST", `chaos${query(scope)}`, order);
export const undo = (id: string) => ask<string>("DELETE", `chaos/${id}`);
export const clearFaults = () => ask<ClearedFaults>("DELETE", "chaos");

export const clock = () => ask<Clock>("GET", "clock");
export const advance = (seconds: number) => ask<Clock, AdvanceRequest>("POST", "clock/advance", { seconds });
export const setScale = (time_scale: number) =>
  ask<Clock, TimeScaleRequest>("POST", "clock/scale", { time_scale });
export const setStateChanges = (state_changes: string) =>
  ask<Clock, StateChangesRequest>("POST", "clock/state-changes", { state_changes });

export const events = () => ask<EventPage>("GET", "events");

const cluster = (id: string, path: string, scope: Scope) => `cloudhsm/${id}/${path}${query(scope)}`;

export const users = async (scope: Scope, id: string) =>
  (await ask<UserList>("GET", cluster(id, "users", scope))).users;

export const activate = (scope: Scope, id: string, password: string) =>
  ask<string, ActivateRequest>("POST", cluster(id, "activate", scope), { password });

/** Runs what needs a session of an admin, and ends the session whatever came of it. */
export async function asAdmin<T>(
  scope: Scope,
  id: string,
  admin: { username: string; password: string },
  run: (token: string) => Promise<T>,
): Promise<T> {
  const path = cluster(id, "login", scope);
  const { token } = await ask<LoggedIn, LoginRequest>("POST", path, { ...admin, role: "admin" });
  try {
    return await run(token);
  } finally {
    await ask<string, SessionRequest>("POST", cluster(id, "logout", scope), { token });
  }
}

export const createUser = (scope: Scope, id: string, token: string, user: UserName, password: string) =>
  ask<UserName, UserPasswordRequest>("POST", cluster(id, "users", scope), { token, ...user, password });
export const changePassword = (scope: Scope, id: string, token: string, user: UserName, password: string) =>
  ask<UserName, UserPasswordRequest>("POST", cluster(id, "users/change-password", scope), { token, ...user, password });
export const deleteUser = (scope: Scope, id: string, token: string, user: UserName) =>
  ask<UserName, UserRequest>("POST", cluster(id, "users/delete", scope), { token, ...user });

export const crash = (hsm: string) => ask<string>("POST", `hsm/${hsm}/crash`);
export const restart = (hsm: string) => ask<string>("POST", `hsm/${hsm}/restart`);

export const vpc = (scope: Scope) => ask<Network>("GET", `vpc${query(scope)}`);

export const runs = async () => (await ask<LoadRunList>("GET", "load")).runs;
export const startRun = (order: LoadOrder) => ask<StartedLoadRun, LoadOrder>("POST", "load", order);
export const run = (id: string, from: number) => ask<LoadRunDetail>("GET", `load/${id}?from=${from}`);
export const stopRun = (id: string) => ask<string>("DELETE", `load/${id}`);
export const reportAddress = (id: string) => `/_portcullis/load/${id}/report`;
