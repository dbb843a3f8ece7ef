/** Users of a cluster. AWS has no API for them, only the CloudHSM CLI; here they are the simulator's. */
import { useCallback, useState, type ReactNode } from "react";

import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { activate, asAdmin, changePassword, createUser, deleteUser, users, type Role, type User, type UserName } from "../admin/api.ts";
import type { Cluster } from "../aws/cloudhsm.ts";
import { Confirm, SimulatorOnly, State } from "../parts/common.tsx";
import { useSay } from "../parts/flash.tsx";
import { Listing } from "../parts/listing.tsx";
import { CALM, useLoad } from "../parts/load.ts";
import { useSession } from "../session.tsx";

type Asked = { kind: "create" } | { kind: "password" | "delete"; user: User } | { kind: "activate" };

export function ClusterUsers({ cluster, reload }: { cluster: Cluster; reload: () => void }) {
  const { account, region } = useSession();
  const id = cluster.ClusterId ?? "";
  const found = useLoad(useCallback(() => users({ account, region }, id), [account, region, id]), CALM);
  const [asked, setAsked] = useState<Asked | null>(null);
  const whyNot = whyNoUsers(cluster);
  return (
    <SpaceBetween size="m">
      {cluster.State === "INITIALIZED" && (
        <Alert type="info" header="The cluster is not active" action={<Button onClick={() => setAsked({ kind: "activate" })}>Activate cluster</Button>}>
          Setting the password of the first admin activates it.
        </Alert>
      )}
      <Listing
        title="Users"
        what="users"
        isPart
        info={<SimulatorOnly />}
        description="On AWS, the CloudHSM CLI manages users on the HSMs themselves"
        // Before its activation a cluster has nobody to ask, which is no failure.
        found={whyNot === null ? found : { ...found, data: [], error: null, isLoading: false }}
        id={(user) => `${user.username} ${user.role}`}
        empty={{ title: "No users", text: whyNot ?? "Nobody has made one." }}
        actions={<Button disabled={whyNot !== null} disabledReason={whyNot ?? ""} onClick={() => setAsked({ kind: "create" })}>Create user</Button>}
        columns={[
          { id: "name", header: "User name", isRowHeader: true, sortingField: "username", cell: (user) => user.username },
          { id: "role", header: "Role", cell: (user) => user.role },
          { id: "locked", header: "Locked", cell: (user) => user.locked },
          { id: "coverage", header: "Cluster coverage", cell: (user) => <State state={user["cluster-coverage"]} /> },
          {
            id: "actions",
            header: "Actions",
            cell: (user) =>
              user.role.startsWith("internal") ? "-" : (
                <SpaceBetween direction="horizontal" size="s">
                  <Button variant="inline-link" ariaLabel={`Change password of ${user.username}`} onClick={() => setAsked({ kind: "password", user })}>Change password</Button>
                  <Button variant="inline-link" ariaLabel={`Delete ${user.username}`} onClick={() => setAsked({ kind: "delete", user })}>Delete</Button>
                </SpaceBetween>
              ),
          },
        ]}
      />
      {asked !== null && (
        <Ask
          key={asked.kind}
          asked={asked}
          id={id}
          onClose={() => setAsked(null)}
          onDone={() => { found.reload(); reload(); }}
        />
      )}
    </SpaceBetween>
  );
}

/** Why a cluster has no users to show, or null. */
function whyNoUsers(cluster: Cluster): string | null {
  if (cluster.State === "UNINITIALIZED") return "Initialize the cluster first: tab Certificates.";
  if (cluster.State === "INITIALIZED" && cluster.SourceBackupId === undefined) return "Activate the cluster first.";
  return (cluster.Hsms ?? []).length === 0 ? "Users live on HSMs, and the cluster has none. Create one first." : null;
}

/** What was done, and what it asks for. */
function told(asked: Asked, made: UserName): { header: string; content?: string } {
  const name = "user" in asked ? asked.user.username : made.username;
  const isKmsuser = name === "kmsuser";
  switch (asked.kind) {
    case "create":
      return { header: `The user ${name} was created`, ...(isKmsuser && { content: "With two HSMs in different Availability Zones, a key store can be created over the cluster." }) };
    case "password":
      return { header: `The password of ${name} was changed`, ...(isKmsuser && { content: "Tell KMS the new one: edit the key store that uses this cluster." }) };
    case "delete":
      return { header: `The user ${name} was deleted` };
    case "activate":
      return { header: "The cluster is active" };
  }
}

const ROLES: Role[] = ["crypto-user", "admin"];

function Ask({ asked, id, onClose, onDone }: { asked: Asked; id: string; onClose: () => void; onDone: () => void }) {
  const { account, region } = useSession();
  const say = useSay();
  const [admin, setAdmin] = useState({ username: "admin", password: "" });
  const [user, setUser] = useState<UserName>({ username: asked.kind === "create" ? "kmsuser" : "", role: "crypto-user" });
  const [password, setPassword] = useState("");
  const scope = { account, region };

  const [title, action] = {
    activate: ["Activate the cluster", "Activate"],
    create: ["Create user", "Create"],
    password: [`Change the password of ${"user" in asked ? asked.user.username : ""}`, "Change password"],
    delete: [`Delete ${"user" in asked ? asked.user.username : ""}?`, "Delete"],
  }[asked.kind] as [string, string];

  const run = async () => {
    if (asked.kind === "activate") {
      await activate(scope, id, password);
      say({ type: "success", header: `${id} is active`, content: "Its first admin is named admin. Create the crypto user kmsuser before you create a key store." });
    } else {
      await asAdmin(scope, id, admin, (token) => {
        if (asked.kind === "create") return createUser(scope, id, token, user, password);
        const named = { username: asked.user.username, role: asked.user.role };
        return asked.kind === "password" ? changePassword(scope, id, token, named, password) : deleteUser(scope, id, token, named);
      });
      say({ type: "success", ...told(asked, user) });
    }
    onDone();
  };

  const secret = (label: string, value: string, onValue: (value: string) => void): ReactNode => (
    <FormField label={label}>
      <Input type="password" value={value} autoComplete="new-password" onChange={({ detail }) => onValue(detail.value)} />
    </FormField>
  );
  return (
    <Confirm title={title} action={action} onClose={onClose} onConfirm={run}>
      <SpaceBetween size="m">
        {asked.kind === "create" && (
          <>
            <FormField label="User name" constraintText="KMS logs in as the crypto user kmsuser.">
              <Input value={user.username} onChange={({ detail }) => setUser({ ...user, username: detail.value })} />
            </FormField>
            <FormField label="Role">
              <Select
                selectedOption={{ value: user.role, label: user.role }}
                options={ROLES.map((value) => ({ value, label: value }))}
                onChange={({ detail }) => setUser({ ...user, role: ROLES.find((role) => role === detail.selectedOption.value) ?? "crypto-user" })}
              />
            </FormField>
          </>
        )}
        {asked.kind !== "delete" && secret(asked.kind === "activate" ? "Password of the first admin" : "New password", password, setPassword)}
        {asked.kind !== "activate" && (
          <>
            <FormField label="Admin who does it">
              <Input value={admin.username} onChange={({ detail }) => setAdmin({ ...admin, username: detail.value })} />
            </FormField>
            {secret("Password of the admin", admin.password, (value) => setAdmin({ ...admin, password: value }))}
          </>
        )}
      </SpaceBetween>
    </Confirm>
  );
}
