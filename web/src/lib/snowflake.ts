import type { Id } from '../net/types';

/** Milliseconds of the first moment an id can name. */
const EPOCH = 1420070400000;

/** Orders two ids by age: negative when `a` is older. Ids are decimal strings without leading zeros. */
export const compareIds = (a: Id, b: Id): number => {
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
};

/** The later of two ids; a missing one loses. */
export const maxId = (a: Id | null | undefined, b: Id | null | undefined): Id | null => {
  if (!a) return b ?? null;
  if (!b) return a;
  return compareIds(a, b) >= 0 ? a : b;
};

/** Milliseconds since 1970 at which an id was made. */
export const idTime = (id: Id): number => {
  try {
    return Number(BigInt(id) >> 22n) + EPOCH;
  } catch {
    return 0;
  }
};

/**
 * A nonce in the shape of an id: the moment in the upper bits, randomness in the lower 22, so that nonces sort by
 * the time they were made and stay below 25 characters.
 */
export const makeNonce = (now: number, random: () => number = Math.random): string => {
  const low = Math.floor(random() * 0x400000);
  return ((BigInt(Math.max(0, Math.floor(now) - EPOCH)) << 22n) | BigInt(low)).toString();
};
