/** The exceptions of the two services, with what helps against each. */
import { fixOf } from "../keystores/troubleshooting.ts";

export interface Explained {
  name: string;
  message: string;
  fix: string | null;
}

/** Names of errors that say nothing about the service. */
const OWN = ["Error", "TypeError", "Refused", "Unknown", "UnknownError"];

export function explain(error: unknown): Explained {
  if (!(error instanceof Error)) return { name: "", message: String(error), fix: null };
  if (error.name === "TypeError" && /fetch|network/i.test(error.message)) {
    return { name: "", message: "Portcullis does not answer. Is it still running?", fix: null };
  }
  const name = OWN.includes(error.name) ? "" : error.name;
  return { name, message: messageOf(error), fix: fixOf(name) };
}

/** CloudHSM spells the member `Message`, and the SDK keeps the one it finds. */
function messageOf(error: Error): string {
  const other = (error as { Message?: unknown }).Message;
  const text = error.message !== "" && error.message !== "UnknownError" ? error.message : other;
  return typeof text === "string" && text !== "" ? text : `${error.name} without a message`;
}
