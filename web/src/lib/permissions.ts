import type { Channel, Guild, Id, Role } from '../net/types';

export const CREATE_INVITE = 1n << 0n;
export const ADMINISTRATOR = 1n << 3n;
export const MANAGE_CHANNELS = 1n << 4n;
export const MANAGE_GUILD = 1n << 5n;
export const SEND_MESSAGES = 1n << 11n;
export const MANAGE_MESSAGES = 1n << 13n;
const ALL = (1n << 63n) - 1n;

const bits = (text: string | undefined): bigint => {
  try {
    return BigInt(text ?? '0');
  } catch {
    return 0n;
  }
};

/**
 * What a member may do in a community, or in one of its channels. Only decides which buttons are shown; the server
 * decides what happens. When the roles are not known yet everything is shown.
 */
export const permissions = (
  guild: Pick<Guild, 'id' | 'owner_id'> & { roles?: Role[] },
  me: Id,
  roles: Id[] | undefined,
  channel?: Channel,
): bigint => {
  if (guild.owner_id === me || !guild.roles || guild.roles.length === 0) return ALL;
  const mine = new Set([guild.id, ...(roles ?? [])]);
  let sum = 0n;
  for (const role of guild.roles) if (mine.has(role.id)) sum |= bits(role.permissions);
  if (sum & ADMINISTRATOR) return ALL;
  const overwrites = channel?.permission_overwrites ?? [];
  const everyone = overwrites.find((o) => o.id === guild.id);
  if (everyone) sum = (sum & ~bits(everyone.deny)) | bits(everyone.allow);
  let allow = 0n;
  let deny = 0n;
  for (const o of overwrites) {
    if (o.type === 0 && o.id !== guild.id && mine.has(o.id)) {
      allow |= bits(o.allow);
      deny |= bits(o.deny);
    }
  }
  sum = (sum & ~deny) | allow;
  const own = overwrites.find((o) => o.type === 1 && o.id === me);
  if (own) sum = (sum & ~bits(own.deny)) | bits(own.allow);
  return sum;
};

export const can = (sum: bigint, bit: bigint): boolean => (sum & bit) === bit;
