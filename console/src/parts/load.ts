import { useCallback, useEffect, useRef, useState } from "react";

export interface Loaded<T> {
  /** The last answer; it stays while the next is under way. */
  data: T | null;
  error: unknown;
  isLoading: boolean;
  reload: () => void;
}

/**
 * Asks once and, with `every`, again after so many milliseconds while the page is shown. `ask` must
 * not change from one drawing to the next: wrap it in `useCallback`.
 */
export function useLoad<T>(ask: () => Promise<T>, every: number | ((data: T | null) => number) = 0): Loaded<T> {
  const [state, setState] = useState<{ data: T | null; error: unknown; isLoading: boolean }>({
    data: null,
    error: null,
    isLoading: true,
  });
  const [round, setRound] = useState(0);
  const pace = useRef(every);
  useEffect(() => {
    pace.current = every;
  });
  useEffect(() => {
    let isGone = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const again = (data: T | null) => {
      const wait = typeof pace.current === "function" ? pace.current(data) : pace.current;
      if (wait > 0 && !isGone) timer = setTimeout(look, wait);
    };
    const look = () => {
      if (document.hidden) {
        timer = setTimeout(look, 1000);
        return;
      }
      ask().then(
        (data) => {
          if (isGone) return;
          setState({ data, error: null, isLoading: false });
          again(data);
        },
        (error: unknown) => {
          if (isGone) return;
          setState((last) => ({ ...last, error, isLoading: false }));
          again(null);
        },
      );
    };
    look();
    return () => {
      isGone = true;
      clearTimeout(timer);
    };
  }, [ask, round]);
  const reload = useCallback(() => setRound((last) => last + 1), []);
  return { ...state, reload };
}

/** How often a page looks: often while something is changing, seldom otherwise. */
export const CALM = 3000;
export const HURRIED = 500;
