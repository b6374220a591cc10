import type { Channel, Id, Member, Message, Role, User } from '../net/types';

export type ConnectionState = 'ready' | 'connecting' | 'reconnecting' | 'offline';

export interface Connection {
  state: ConnectionState;
  /** When the next attempt is made, in ms; 0 when none is planned. */
  retryAt: number;
  /** What to tell the person when no attempt will be made. */
  notice: string | null;
}

/** A community without its channels and members, which have tables of their own. */
export interface GuildInfo {
  id: Id;
  name: string;
  owner_id: Id;
  roles: Role[];
  memberCount: number;
  unavailable: boolean;
}

export interface MessageWindow {
  status: 'loading' | 'loaded' | 'failed';
  /** Oldest first, without holes, reaching the newest once loaded. */
  list: Message[];
  /** Older ones exist on the server. */
  hasOlder: boolean;
  older: 'idle' | 'loading' | 'failed';
  /** The last message that had been read when the channel was opened; a line is drawn after it. */
  dividerAfter: Id | null;
}

export interface OutboxEntry {
  nonce: string;
  channel_id: Id;
  content: string;
  /** Milliseconds since 1970. */
  created: number;
  state: 'queued' | 'sending' | 'failed';
  error?: string;
}

export interface Route {
  guild: Id | null;
  channel: Id | null;
}

export interface State {
  me: User | null;
  connection: Connection;
  /** False until the first READY of this login. */
  synced: boolean;
  route: Route;
  guilds: Record<Id, GuildInfo>;
  guildOrder: Id[];
  channels: Record<Id, Channel>;
  /** By community, then by user. */
  members: Record<Id, Record<Id, Member>>;
  /** By user. Who is not here is offline. */
  presences: Record<Id, string>;
  messages: Record<Id, MessageWindow>;
  /** Ids of messages deleted lately: an answer that was on its way must not bring them back. */
  deleted: Id[];
  outbox: OutboxEntry[];
  /** By channel, then by user: when the sign ends, in ms. */
  typing: Record<Id, Record<Id, number>>;
  /** By channel: the last message that was read. */
  reads: Record<Id, Id>;
}

export const initialState: State = {
  me: null,
  connection: { state: 'connecting', retryAt: 0, notice: null },
  synced: false,
  route: { guild: null, channel: null },
  guilds: {},
  guildOrder: [],
  channels: {},
  members: {},
  presences: {},
  messages: {},
  deleted: [],
  outbox: [],
  typing: {},
  reads: {},
};
