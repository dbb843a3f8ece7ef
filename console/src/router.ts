/** Where the page is: paths below `/console/`, with Region and account in the query. */
import { useSyncExternalStore } from "react";

export const BASE = "/console";

const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener("popstate", listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener("popstate", listener);
  };
}

/** The path below the console's root, without slashes at its ends. */
export function pathOf(pathname: string): string {
  return decodeURIComponent(pathname.replace(/^\/console\/?/, "").replace(/\/$/, ""));
}

export function usePath(): string {
  return useSyncExternalStore(subscribe, () => pathOf(window.location.pathname));
}

export function useQuery(): URLSearchParams {
  const search = useSyncExternalStore(subscribe, () => window.location.search);
  return new URLSearchParams(search);
}

/** What every link carries on, so that a copied address shows the same things. */
const CARRIED = ["region", "account"];

/** The address of a page. */
export function href(path: string, query: Record<string, string> = {}): string {
  const present = new URLSearchParams(window.location.search);
  const next = new URLSearchParams();
  for (const name of CARRIED) {
    const value = present.get(name);
    if (value !== null) next.set(name, value);
  }
  for (const [name, value] of Object.entries(query)) next.set(name, value);
  const text = next.toString();
  return `${BASE}/${path}${text === "" ? "" : `?${text}`}`;
}

export function navigate(to: string): void {
  window.history.pushState(null, "", to);
  listeners.forEach((listener) => listener());
  window.scrollTo(0, 0);
}

/** Changes the query without a new entry in the history. */
export function replaceQuery(query: Record<string, string>): void {
  const next = new URLSearchParams(window.location.search);
  for (const [name, value] of Object.entries(query)) next.set(name, value);
  window.history.replaceState(null, "", `${window.location.pathname}?${next.toString()}`);
  listeners.forEach((listener) => listener());
}

/** For the `onFollow` of components: stays in the page unless a new window is wanted. */
export function follow(event: CustomEvent<{ href?: string; external?: boolean }>): void {
  const to = event.detail.href;
  if (to === undefined || !to.startsWith(BASE) || event.detail.external === true) return;
  event.preventDefault();
  navigate(to);
}

/** Matches `kms/key-stores/:id` and gives the parts. */
export function match(pattern: string, path: string): Record<string, string> | null {
  const [wanted, given] = [pattern.split("/"), path.split("/")];
  if (wanted.length !== given.length) return null;
  const parts: Record<string, string> = {};
  for (const [at, piece] of wanted.entries()) {
    const found = given[at] ?? "";
    if (piece.startsWith(":")) {
      if (found === "") return null;
      parts[piece.slice(1)] = found;
    } else if (piece !== found) return null;
  }
  return parts;
}
