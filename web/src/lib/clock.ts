/** Time and chance, handed to everything that waits, so that tests can turn the hands themselves. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Runs `fn` once after `ms`; the number cancels it. */
  after(ms: number, fn: () => void): number;
  cancel(timer: number): void;
  /** In [0, 1). */
  random(): number;
}

/** The platform's own timers. */
export const plainClock: Clock = {
  now: () => Date.now(),
  after: (ms, fn) => setTimeout(fn, ms) as unknown as number,
  cancel: (timer) => clearTimeout(timer),
  random: Math.random,
};

/**
 * Timers that keep their pace while the page is hidden: browsers slow a hidden page's timers to one a minute, which
 * is longer than a heartbeat, but leave a worker's alone. Falls back to plain timers where there are no workers.
 */
export const workerClock = (): Clock => {
  let worker: Worker;
  try {
    worker = new Worker(new URL('./ticker.ts', import.meta.url), { type: 'module' });
  } catch {
    return plainClock;
  }
  const waiting = new Map<number, { fn: () => void; ms: number }>();
  let next = 1;
  let dead = false;
  worker.onmessage = (event: MessageEvent<number>) => {
    const entry = waiting.get(event.data);
    waiting.delete(event.data);
    entry?.fn();
  };
  worker.onerror = () => {
    dead = true;
    for (const [timer, entry] of [...waiting]) {
      setTimeout(() => {
        if (waiting.delete(timer)) entry.fn();
      }, entry.ms);
    }
  };
  return {
    now: () => Date.now(),
    after: (ms, fn) => {
      const timer = next++;
      waiting.set(timer, { fn, ms });
      if (dead) {
        setTimeout(() => {
          if (waiting.delete(timer)) fn();
        }, ms);
      } else {
        worker.postMessage({ timer, ms });
      }
      return timer;
    },
    cancel: (timer) => {
      if (waiting.delete(timer) && !dead) worker.postMessage({ timer, ms: -1 });
    },
    random: Math.random,
  };
};
