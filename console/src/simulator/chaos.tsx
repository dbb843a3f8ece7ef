import { useCallback, useState } from "react";

import Button from "@cloudscape-design/components/button";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { clearFaults, faultKinds, faults, inject, undo, type Fault, type FaultDescription, type FaultOrder, type Scope } from "../admin/api.ts";
import { explain } from "../aws/errors.ts";
import { clusters } from "../aws/keystores.ts";
import { SimulatorOnly, When } from "../parts/common.tsx";
import { FailureText } from "../parts/failure.tsx";
import { useSay } from "../parts/flash.tsx";
import { Listing } from "../parts/listing.tsx";
import { CALM, useLoad } from "../parts/load.ts";
import { useSession } from "../session.tsx";
import { fieldsOf, orderOf, type Form } from "./faults.ts";

const EMPTY: Form = { kind: "crash", cluster: "", zone: "", hsm: "", direction: "both", delayMs: "200", percent: "20", seconds: "" };

/** The kinds stay the same while Portcullis runs. */
const untilKnown = (known: unknown) => (known === null ? CALM : 0);

export function Chaos() {
  const say = useSay();
  const found = useLoad(faults, 1000);
  const kinds = useLoad(faultKinds, untilKnown).data ?? [];
  const all = found.data ?? [];
  const run = (done: string, send: () => Promise<unknown>) => {
    send().then(
      () => say({ type: "success", header: done }),
      (error: unknown) => say({ type: "error", header: "It was not done", content: <FailureText {...explain(error)} /> }),
    ).finally(found.reload);
  };
  return (
    <SpaceBetween size="l">
      <Header
        variant="h1"
        info={<SimulatorOnly />}
        description="Break things on purpose, and mend them. AWS never lets you."
        actions={
          <Button disabled={all.length === 0} disabledReason="There is nothing to undo." onClick={() => run("Every fault is undone", clearFaults)}>
            Undo all
          </Button>
        }
      >
        Chaos
      </Header>
      <Inject kinds={kinds} onInject={(scope, order) => run(`${order.kind} was injected`, () => inject(scope, order))} />
      <Listing
        title="Faults that are not undone"
        what="faults"
        isPart
        found={found}
        id={(fault) => fault.id}
        empty={{ title: "Nothing is broken", text: "At least not on purpose." }}
        columns={[
          { id: "id", header: "Fault", isRowHeader: true, cell: (fault) => fault.id },
          { id: "kind", header: "Kind", cell: (fault) => fault.kind },
          { id: "place", header: "Place", cell: (fault) => fault.place },
          { id: "how", header: "How", cell: how },
          { id: "hsms", header: "HSMs", cell: (fault) => fault.hsms.length },
          { id: "since", header: "Since", cell: (fault) => <When at={fault.since_ms} /> },
          { id: "left", header: "Ends in", cell: (fault) => (fault.left_ms === null ? "-" : `${Math.ceil(fault.left_ms / 1000)} s`) },
          {
            id: "undo",
            header: "Undo",
            cell: (fault) => (
              <Button
                variant="inline-link"
                ariaLabel={`Undo ${fault.id}`}
                disabled={!fault.undoable}
                disabledReason="It cannot be undone; its backups are the way back."
                onClick={() => run(`${fault.id} is undone`, () => undo(fault.id))}
              >
                Undo
              </Button>
            ),
          },
        ]}
      />
    </SpaceBetween>
  );
}

function how(fault: Fault): string {
  const parts = [
    fault.direction,
    fault.delay_ms === null ? null : `${fault.delay_ms} ms`,
    fault.percent === null ? null : `${fault.percent} %`,
  ];
  return parts.filter((part) => part !== null).join(", ") || "-";
}

function Inject({ kinds, onInject }: { kinds: FaultDescription[]; onInject: (scope: Scope, order: FaultOrder) => void }) {
  const { cloudhsm, account, region } = useSession();
  const around = useLoad(useCallback(() => clusters(cloudhsm), [cloudhsm]), 1000);
  const [filled, setForm] = useState<Form>(EMPTY);
  const about = kinds.find(({ kind }) => kind === filled.kind);
  const fields = fieldsOf(about);
  const groups = [...new Set(kinds.map(({ group }) => group))];
  const all = around.data ?? [];
  // A cluster that was chosen may be destroyed meanwhile, not least from here.
  const isGone = around.data !== null && filled.cluster !== "" && !all.some((one) => one.ClusterId === filled.cluster);
  const form = isGone ? { ...filled, cluster: "", zone: "", hsm: "" } : filled;
  const inCluster = all.filter((one) => form.cluster === "" || one.ClusterId === form.cluster);
  const hsms = inCluster.flatMap((one) => one.Hsms ?? []).filter((hsm) => form.zone === "" || hsm.AvailabilityZone === form.zone);
  const zones = [...new Set(inCluster.flatMap((one) => Object.keys(one.SubnetMapping ?? {})))].sort();
  const any = (text: string) => ({ value: "", label: text });
  const options = (first: string, values: (string | undefined)[]) => [any(first), ...values.flatMap((value) => (value === undefined ? [] : [{ value, label: value }]))];
  const chosen = (list: { value: string; label: string }[], value: string) => list.find((one) => one.value === value) ?? { value, label: value };
  const clusterOptions = options("Any cluster", all.map((one) => one.ClusterId));
  const zoneOptions = options("Any zone", zones);
  const hsmOptions = options("Any HSM", hsms.map((hsm) => hsm.HsmId));
  const isPlaced = form.cluster !== "" || (about?.place !== "cluster" && (form.zone !== "" || form.hsm !== ""));
  return (
    <form onSubmit={(event) => { event.preventDefault(); if (about !== undefined) onInject({ account, region }, orderOf(form, about)); }}>
      <Container
        header={
          <Header
            variant="h2"
            actions={<Button variant="primary" disabled={!isPlaced} disabledReason={about?.place === "cluster" ? "Choose a cluster." : "Choose a cluster, a zone or an HSM."}>Inject fault</Button>}
          >
            Inject a fault
          </Header>
        }
      >
        <SpaceBetween size="m">
          <FormField label="Fault" description={about?.effect}>
            <Select
              selectedOption={{ value: form.kind, label: form.kind }}
              statusType={kinds.length === 0 ? "loading" : "finished"}
              loadingText="Asking which faults there are"
              options={groups.map((group) => ({
                label: group,
                options: kinds.filter((one) => one.group === group).map(({ kind, effect }) => ({ value: kind, label: kind, description: effect })),
              }))}
              onChange={({ detail }) => setForm({ ...form, kind: detail.selectedOption.value as Form["kind"] })}
            />
          </FormField>
          <ColumnLayout columns={3}>
            <FormField label="Cluster">
              <Select selectedOption={chosen(clusterOptions, form.cluster)} options={clusterOptions} onChange={({ detail }) => setForm({ ...form, cluster: detail.selectedOption.value ?? "", zone: "", hsm: "" })} />
            </FormField>
            {about?.place !== "cluster" && (
              <FormField label="Availability Zone">
                <Select selectedOption={chosen(zoneOptions, form.zone)} options={zoneOptions} onChange={({ detail }) => setForm({ ...form, zone: detail.selectedOption.value ?? "", hsm: "" })} />
              </FormField>
            )}
            {about?.place !== "cluster" && (
              <FormField label="HSM">
                <Select selectedOption={chosen(hsmOptions, form.hsm)} options={hsmOptions} onChange={({ detail }) => setForm({ ...form, hsm: detail.selectedOption.value ?? "" })} />
              </FormField>
            )}
            {fields.includes("delay_ms") && (
              <FormField label="Delay in milliseconds">
                <Input type="number" value={form.delayMs} onChange={({ detail }) => setForm({ ...form, delayMs: detail.value })} />
              </FormField>
            )}
            {fields.includes("percent") && (
              <FormField label="Percent of messages">
                <Input type="number" value={form.percent} onChange={({ detail }) => setForm({ ...form, percent: detail.value })} />
              </FormField>
            )}
            {fields.includes("direction") && (
              <FormField label="Direction">
                <Select
                  selectedOption={{ value: form.direction, label: form.direction }}
                  options={[
                    { value: "both", label: "both", description: "Neither passes" },
                    { value: "to-hsm", label: "to-hsm", description: "Requests never arrive" },
                    { value: "from-hsm", label: "from-hsm", description: "Requests are carried out, and no answer comes" },
                  ]}
                  onChange={({ detail }) => setForm({ ...form, direction: detail.selectedOption.value as Form["direction"] })}
                />
              </FormField>
            )}
            {fields.includes("duration_ms") && (
              <FormField label={<>Ends after seconds <i>- optional</i></>} constraintText="Empty: until it is undone">
                <Input type="number" value={form.seconds} onChange={({ detail }) => setForm({ ...form, seconds: detail.value })} />
              </FormField>
            )}
          </ColumnLayout>
        </SpaceBetween>
      </Container>
    </form>
  );
}
