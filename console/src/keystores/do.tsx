/** The actions on a key store and what is said about them. */
import { useCallback, useState, type ReactNode } from "react";

import {
  ConnectCustomKeyStoreCommand,
  DeleteCustomKeyStoreCommand,
  DisconnectCustomKeyStoreCommand,
} from "@aws-sdk/client-kms";
import Box from "@cloudscape-design/components/box";
import ButtonDropdown from "@cloudscape-design/components/button-dropdown";

import { explain } from "../aws/errors.ts";
import type { KeyStore } from "../aws/keystores.ts";
import { Confirm } from "../parts/common.tsx";
import { FailureText } from "../parts/failure.tsx";
import { useSay } from "../parts/flash.tsx";
import { href, navigate } from "../router.ts";
import { useSession } from "../session.tsx";
import { ACTIONS, whyNot, type Action } from "./actions.ts";

export function useActions(reload: () => void) {
  const { kms } = useSession();
  const say = useSay();
  const [asked, setAsked] = useState<{ action: Action; store: KeyStore } | null>(null);

  const connect = useCallback(
    async (id: string, name: string) => {
      try {
        await kms.send(new ConnectCustomKeyStoreCommand({ CustomKeyStoreId: id }));
        say({
          type: "info",
          header: `Connecting ${name}`,
          content: "KMS finds the cluster, logs in as kmsuser and rotates its password. The Status shows when it is CONNECTED.",
        });
      } catch (error) {
        say({ type: "error", header: `${name} was not connected`, content: <FailureText {...explain(error)} /> });
      }
      reload();
    },
    [kms, reload, say],
  );

  const disconnect = useCallback(
    async (id: string, name: string) => {
      await kms.send(new DisconnectCustomKeyStoreCommand({ CustomKeyStoreId: id }));
      say({
        type: "info",
        header: `Disconnecting ${name}`,
        content: "No key in it can be used from now on. When the Status is DISCONNECTED, its settings can be edited.",
      });
      reload();
    },
    [kms, reload, say],
  );

  const remove = useCallback(
    async (id: string, name: string) => {
      await kms.send(new DeleteCustomKeyStoreCommand({ CustomKeyStoreId: id }));
      say({ type: "success", header: `${name} was deleted`, content: "Its cluster is untouched and can back another key store." });
      navigate(href("kms/key-stores"));
      reload();
    },
    [kms, reload, say],
  );

  const act = useCallback(
    (action: Action, store: KeyStore) => {
      const id = store.CustomKeyStoreId ?? "";
      if (action === "edit") navigate(href(`kms/key-stores/${id}/edit`));
      else if (action === "connect") void connect(id, store.CustomKeyStoreName ?? id);
      else setAsked({ action, store });
    },
    [connect],
  );

  let dialog: ReactNode = null;
  if (asked !== null) {
    const id = asked.store.CustomKeyStoreId ?? "";
    const name = asked.store.CustomKeyStoreName ?? id;
    const close = () => setAsked(null);
    dialog =
      asked.action === "disconnect" ? (
        <Confirm title={`Disconnect ${name}?`} action="Disconnect" onClose={close} onConfirm={() => disconnect(id, name)}>
          While the key store is disconnected, you cannot create KMS keys in it, and you cannot use its
          keys in cryptographic operations. Nothing is deleted.
        </Confirm>
      ) : (
        <Confirm title={`Delete ${name}?`} action="Delete" word={name} onClose={close} onConfirm={() => remove(id, name)}>
          The key store is removed from KMS. The cluster, its users and its keys stay as they are.
        </Confirm>
      );
  }
  return { act, dialog };
}

/** The menu of the guide; each entry has the guide's wording and today's. */
export function KeyStoreActions(props: {
  store: KeyStore | undefined;
  keys: number | null;
  onAction: (action: Action, store: KeyStore) => void;
}) {
  const items = ACTIONS.map(({ id, text, today }) => {
    const reason = whyNot(id, props.store, props.keys);
    return {
      id,
      text,
      secondaryText: today,
      disabled: reason !== null,
      ...(reason === null ? {} : { disabledReason: reason }),
    };
  });
  return (
    <ButtonDropdown
      items={items}
      onItemClick={({ detail }) => {
        const action = ACTIONS.find(({ id }) => id === detail.id)?.id;
        if (action !== undefined && props.store !== undefined) props.onAction(action, props.store);
      }}
    >
      Key store actions
    </ButtonDropdown>
  );
}

export function Zones({ zones }: { zones: [string, number][] }) {
  if (zones.length === 0) return <>-</>;
  // One zone is enough to use keys; creating them needs two.
  const isThin = zones.filter(([, active]) => active > 0).length < 2;
  return (
    <>
      {zones.map(([zone, active]) => (
        <Box key={zone} variant="span" display="block" color={active === 0 ? (isThin ? "text-status-error" : "text-body-secondary") : "inherit"}>
          {zone}: {active}
        </Box>
      ))}
    </>
  );
}
