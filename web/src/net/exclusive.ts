import type { Clock } from '../lib/clock';

const KEY = 'nexus.lock.';
const LEASE_MS = 10_000;

/* Without Web Locks (pages on plain http away from localhost): a lease in local storage. Storage is shared and its
 * writes are seen in one order, so that after a pause the name that stays is the one that won. */
const byStorage = async <T>(name: string, clock: Clock, fn: () => Promise<T>): Promise<T> => {
  const key = KEY + name;
  const mine = `${clock.now()}-${clock.random()}`;
  const pause = (ms: number): Promise<void> => new Promise((done) => clock.after(ms, done));
  const until = clock.now() + 2 * LEASE_MS;
  while (clock.now() < until) {
    const [, end] = (localStorage.getItem(key) ?? '').split('|');
    if (!end || Number(end) < clock.now()) {
      localStorage.setItem(key, `${mine}|${clock.now() + LEASE_MS}`);
      await pause(30);
      if (localStorage.getItem(key)?.startsWith(`${mine}|`)) break;
    }
    await pause(50 + clock.random() * 50);
  }
  try {
    return await fn();
  } finally {
    if (localStorage.getItem(key)?.startsWith(`${mine}|`)) localStorage.removeItem(key);
  }
};

/** Runs `fn` while no other tab of this browser runs one of the same name. */
export const exclusive =
  (name: string, clock: Clock) =>
  <T>(fn: () => Promise<T>): Promise<T> => {
    const locks = (navigator as { locks?: LockManager }).locks;
    if (locks) return locks.request(`nexus.${name}`, fn) as Promise<T>;
    return byStorage(name, clock, fn);
  };
