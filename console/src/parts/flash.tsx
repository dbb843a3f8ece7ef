/** Messages at the top of the page: what was done, and what to do next. */
import { createContext, useCallback, useContext, useEffect, useMemo, useState, type ReactNode } from "react";

import Flashbar, { type FlashbarProps } from "@cloudscape-design/components/flashbar";

interface Message {
  type: "success" | "error" | "info" | "warning";
  header: string;
  content?: ReactNode;
  action?: ReactNode;
}

interface Said {
  item: FlashbarProps.MessageDefinition;
  /** When, in milliseconds of the page's clock. */
  at: number;
}

interface Flash {
  items: FlashbarProps.MessageDefinition[];
  say: (message: Message) => void;
  turn: () => void;
}

const Context = createContext<Flash>({ items: [], say: () => undefined, turn: () => undefined });

/** Messages that are kept; older ones go. */
const KEPT_MAX = 4;

/** What was said on the way to another page is to be read there; what is older was read where it was said. */
const ON_THE_WAY_MS = 1000;

let last = 0;

export function FlashProvider({ children }: { children: ReactNode }) {
  const [all, setAll] = useState<Said[]>([]);
  const say = useCallback((message: Message) => {
    last += 1;
    const id = `message-${last}`;
    const item: FlashbarProps.MessageDefinition = {
      id,
      ...message,
      dismissible: true,
      dismissLabel: "Dismiss message",
      onDismiss: () => setAll((before) => before.filter((one) => one.item.id !== id)),
      ariaRole: message.type === "error" ? "alert" : "status",
    };
    // The same again takes the place of what it repeats.
    setAll((before) => [{ item, at: performance.now() }, ...before.filter((one) => one.item.header !== message.header)].slice(0, KEPT_MAX));
  }, []);
  const turn = useCallback(() => {
    const now = performance.now();
    setAll((before) => before.filter((one) => now - one.at < ON_THE_WAY_MS));
  }, []);
  const flash = useMemo(() => ({ items: all.map((one) => one.item), say, turn }), [all, say, turn]);
  return <Context.Provider value={flash}>{children}</Context.Provider>;
}

export const useSay = () => useContext(Context).say;

/** Lets messages go that belong to pages before. */
export function useTidyMessages(path: string): void {
  const { turn } = useContext(Context);
  useEffect(turn, [turn, path]);
}

/** Several lie on one another, the newest uppermost, so that they do not push the page away. */
export function Messages() {
  return (
    <Flashbar
      items={useContext(Context).items}
      stackItems
      i18nStrings={{
        ariaLabel: "Messages",
        notificationBarText: "Messages",
        notificationBarAriaLabel: "Show all messages",
        errorIconAriaLabel: "Error",
        warningIconAriaLabel: "Warning",
        successIconAriaLabel: "Success",
        infoIconAriaLabel: "Information",
        inProgressIconAriaLabel: "In progress",
      }}
    />
  );
}
