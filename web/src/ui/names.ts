import type { Id, Member, User } from '../net/types';

export const userName = (user: User): string => user.global_name || user.username;
export const memberName = (member: Member): string => member.nick || userName(member.user);
export const nameIn = (members: Record<Id, Member> | undefined, user: User): string => {
  const member = members?.[user.id];
  return member ? memberName(member) : userName(user);
};

/** Up to two letters that stand for a name. */
export const initials = (name: string): string => {
  const words = name.trim().split(/[\s._-]+/u).filter(Boolean);
  const first = [...(words[0] ?? '?')][0] ?? '?';
  const second = words.length > 1 ? ([...words[words.length - 1]!][0] ?? '') : '';
  return (first + second).toUpperCase();
};

/** One of twelve hues, always the same for the same id, and unlike for ids that were made one after the other. */
export const hueOf = (id: Id): number => {
  let sum = 2166136261;
  for (let i = 0; i < id.length; i++) sum = Math.imul(sum ^ id.charCodeAt(i), 16777619);
  sum = Math.imul(sum ^ (sum >>> 15), 0x2c1b3c6d);
  sum ^= sum >>> 13;
  return ((sum >>> 0) % 12) * 30;
};

/** What to say about an error to a person. */
export const errorText = (error: unknown): string => {
  if (error instanceof TypeError || (error instanceof DOMException && error.name === 'AbortError')) {
    return 'The server cannot be reached.';
  }
  return error instanceof Error ? error.message : 'Something went wrong.';
};
