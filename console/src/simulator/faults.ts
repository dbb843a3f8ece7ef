/** What an order for a fault takes from the form, as the list of faults says that the server serves. */
import type { FaultDescription, FaultKind, FaultOrder } from "../admin/api.ts";

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

/** What an order for a fault has beside its place; none of a kind that is not known yet. */
export const fieldsOf = (about: FaultDescription | undefined) => (about === undefined ? [] : [...about.required, ...about.optional]);

/** The order that a filled form asks for: nothing that the fault does not take. */
export function orderOf(form: Form, about: FaultDescription): FaultOrder {
  const order: FaultOrder = { kind: form.kind };
  if (form.cluster !== "") order.cluster = form.cluster;
  if (about.place === "hsms") {
    if (form.zone !== "") order.zone = form.zone;
    if (form.hsm !== "") order.hsm = form.hsm;
  }
  for (const field of fieldsOf(about)) {
    switch (field) {
      case "direction":
        order.direction = form.direction;
        break;
      case "delay_ms":
        order.delay_ms = Number(form.delayMs);
        break;
      case "percent":
        order.percent = Number(form.percent);
        break;
      case "duration_ms":
        if (form.seconds !== "") order.duration_ms = Number(form.seconds) * 1000;
        break;
    }
  }
  return order;
}
