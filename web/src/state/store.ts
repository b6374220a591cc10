/** A value that changes by actions, and listeners that hear of it. */
export interface Store<S, A> {
  get(): S;
  dispatch(action: A): void;
  subscribe(listener: () => void): () => void;
}

/**
 * @param schedule decides when listeners hear of changes; many changes before it runs its function are one. Without it
 *   each change is told at once.
 */
export const createStore = <S, A>(
  reduce: (state: S, action: A) => S,
  initial: S,
  schedule?: (tell: () => void) => void,
): Store<S, A> => {
  let state = initial;
  let planned = false;
  const listeners = new Set<() => void>();
  const tell = (): void => {
    planned = false;
    for (const listener of [...listeners]) listener();
  };
  return {
    get: () => state,
    dispatch: (action) => {
      const next = reduce(state, action);
      if (next === state) return;
      state = next;
      if (!schedule) tell();
      else if (!planned) {
        planned = true;
        schedule(tell);
      }
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
};

/** Once per drawn frame, or ten times a second while the page is hidden and draws none. */
export const perFrame = (tell: () => void): void => {
  let done = false;
  const once = (): void => {
    if (done) return;
    done = true;
    tell();
  };
  requestAnimationFrame(once);
  setTimeout(once, 100);
};
