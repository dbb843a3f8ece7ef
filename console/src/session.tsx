/** Who calls and where: Region and account from the address, then from the last visit. */
import { createContext, useContext, useEffect, useMemo, useState, type ReactNode } from "react";

import { applyMode, Mode } from "@cloudscape-design/global-styles";
import type { CloudHSMV2Client } from "@aws-sdk/client-cloudhsm-v2";
import { KMSClient } from "@aws-sdk/client-kms";

import { defaults } from "./admin/api.ts";
import { cloudhsmClient } from "./aws/cloudhsm.ts";
import { replaceQuery, useQuery } from "./router.ts";

export interface Session {
  region: string;
  account: string;
  kms: KMSClient;
  cloudhsm: CloudHSMV2Client;
  isDark: boolean;
  setRegion: (region: string) => void;
  setAccount: (account: string) => void;
  setDark: (dark: boolean) => void;
}

const Context = createContext<Session | null>(null);

export function useSession(): Session {
  const session = useContext(Context);
  if (session === null) throw new Error("useSession needs SessionProvider above it");
  return session;
}

const REGION = /^[a-z]{2}(-[a-z]+)+-\d+$/;
const ACCOUNT = /^\d{12}$/;

export function isAccount(text: string): boolean {
  return ACCOUNT.test(text);
}

function remembered(name: string): string | null {
  try {
    return window.localStorage.getItem(`portcullis.${name}`);
  } catch {
    return null;
  }
}

function remember(name: string, value: string): void {
  try {
    window.localStorage.setItem(`portcullis.${name}`, value);
  } catch {
    // A browser that keeps nothing still shows the page.
  }
}

/** An access key of twelve digits is an account; its secret is the one every account has. */
function clients(region: string, account: string): Pick<Session, "kms" | "cloudhsm"> {
  const options = {
    region,
    endpoint: window.location.origin,
    credentials: { accessKeyId: account, secretAccessKey: "test" },
    maxAttempts: 2,
  };
  return { kms: new KMSClient(options), cloudhsm: cloudhsmClient(options) };
}

export function SessionProvider({ children }: { children: ReactNode }) {
  const query = useQuery();
  const [fallback, setFallback] = useState<{ region: string; account: string } | null>(null);
  const [isDark, setIsDark] = useState(() => {
    const kept = remembered("mode");
    return kept === null ? window.matchMedia("(prefers-color-scheme: dark)").matches : kept === "dark";
  });
  const named = { region: query.get("region") ?? "", account: query.get("account") ?? "" };
  const region = REGION.test(named.region) ? named.region : (fallback?.region ?? "");
  const account = ACCOUNT.test(named.account) ? named.account : (fallback?.account ?? "");

  useEffect(() => {
    const use = (found: { region: string; account: string }) => {
      setFallback({
        region: remembered("region") ?? found.region,
        account: remembered("account") ?? found.account,
      });
    };
    defaults().then(use, () => use({ region: "us-east-1", account: "000000000000" }));
  }, []);
  useEffect(() => applyMode(isDark ? Mode.Dark : Mode.Light), [isDark]);

  const session = useMemo<Session | null>(() => {
    if (region === "" || account === "") return null;
    return {
      region,
      account,
      isDark,
      ...clients(region, account),
      setRegion: (next) => {
        remember("region", next);
        replaceQuery({ region: next });
      },
      setAccount: (next) => {
        remember("account", next);
        replaceQuery({ account: next });
      },
      setDark: (dark) => {
        remember("mode", dark ? "dark" : "light");
        setIsDark(dark);
      },
    };
  }, [region, account, isDark]);
  if (session === null) return null;
  return <Context.Provider value={session}>{children}</Context.Provider>;
}
