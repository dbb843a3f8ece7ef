/** The CloudHSM client, and the members of replies that its version of the API does not know. */
import { CloudHSMV2Client, type Backup as KnownBackup, type Cluster as KnownCluster, type CloudHSMV2ClientConfig } from "@aws-sdk/client-cloudhsm-v2";

/** The client in the registry is older than these members: it drops them when it reads a reply. */
export interface Backup extends KnownBackup {
  HsmType?: string;
  Mode?: string;
}

export interface Cluster extends KnownCluster {
  Mode?: string;
}

const DROPPED = ["HsmType", "Mode"];

type Reply = Record<string, unknown>;

/**
 * A client whose replies have the dropped members too. Two steps around the one that reads the reply:
 * the inner keeps the bytes, so that the outer can read them again.
 */
export function cloudhsmClient(options: CloudHSMV2ClientConfig): CloudHSMV2Client {
  const client = new CloudHSMV2Client(options);
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const response = result.response as { body?: unknown };
      response.body = await bytes(response.body);
      return result;
    },
    { step: "deserialize", priority: "low", name: "keepBytes" },
  );
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const { body } = result.response as { body?: unknown };
      if (body instanceof Uint8Array) addDropped(result.output, read(body));
      return result;
    },
    { step: "deserialize", priority: "high", name: "addDropped" },
  );
  return client;
}

async function bytes(body: unknown): Promise<Uint8Array> {
  if (body instanceof Uint8Array) return body;
  return new Uint8Array(await new Response(body as BodyInit | null).arrayBuffer());
}

function read(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return null;
  }
}

/** Adds to every object of `output` what the same object of `raw` has and the client dropped. */
export function addDropped(output: unknown, raw: unknown): void {
  if (Array.isArray(output) && Array.isArray(raw)) {
    output.forEach((one, at) => addDropped(one, raw[at]));
  } else if (isObject(output) && isObject(raw)) {
    for (const name of DROPPED) {
      if (output[name] === undefined && typeof raw[name] === "string") output[name] = raw[name];
    }
    for (const [name, value] of Object.entries(output)) addDropped(value, raw[name]);
  }
}

function isObject(value: unknown): value is Reply {
  return typeof value === "object" && value !== null && !(value instanceof Date);
}

/** HSM types that a cluster can be made of, the recommended first. */
export const HSM_TYPES = ["hsm2m.medium", "hsm1.medium"] as const;
export const MODES = ["FIPS", "NON_FIPS"] as const;

/**
 * What a cluster made from a backup should be: like the backup, which names its type and mode; else like
 * the cluster that it was taken from, as long as that exists; else of the first type.
 */
export function proposal(backup: Backup | undefined, source: Cluster | undefined): { type: string; mode: string } {
  return {
    type: backup?.HsmType ?? source?.HsmType ?? HSM_TYPES[0],
    mode: backup?.Mode ?? source?.Mode ?? MODES[0],
  };
}
