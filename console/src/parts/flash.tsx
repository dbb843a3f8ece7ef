/** Messages at the top of the page: what was done, and what to do next. */
import { createContext, useCallback, useContext, useMemo, useState, type ReactNode } from "react";

import Flashbar, { type FlashbarProps } from "@cloudscape-design/components/flashbar";

interface Message {
  type: "success" | "error" | "info" | "warning";
  header: string;
  content?: ReactNode;
  action?: ReactNode;
}

interface Flash {
  items: FlashbarProps.MessageDefinition[];
  say: (message: Message) => void;
}

const Context = createContext<Flash>({ items: [], say: () => undefined });

/** Messages that are shown at once; older ones go. */
const SHOWN_MAX = 4;

let last = 0;

export function FlashProvider({ children }: { children: ReactNode }) {
  const [items, setItems] = useState<FlashbarProps.MessageDefinition[]>([]);
  const say = useCallback((message: Message) => {
    last += 1;
    const id = `message-${last}`;
    const remove = () => setItems((all) => all.filter((one) => one.id !== id));
    const item: FlashbarProps.MessageDefinition = {
      id,
      ...message,
      dismissible: true,
      dismissLabel: "Dismiss message",
      onDismiss: remove,
      ariaRole: message.type === "error" ? "alert" : "status",
    };
    setItems((all) => [item, ...all].slice(0, SHOWN_MAX));
  }, []);
  const flash = useMemo(() => ({ items, say }), [items, say]);
  return <Context.Provider value={flash}>{children}</Context.Provider>;
}

export const useSay = () => useContext(Context).say;

export function Messages() {
  return <Flashbar items={useContext(Context).items} stackItems={false} />;
}
