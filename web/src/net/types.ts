/** Objects of the wire, as the server writes them. Fields the client does not use are left out. */

export type Id = string;

export interface User {
  id: Id;
  username: string;
  global_name?: string | null;
  avatar?: string | null;
}

export interface Overwrite {
  id: Id;
  /** 0 = role, 1 = member. */
  type: number;
  allow: string;
  deny: string;
}

export interface Channel {
  id: Id;
  type: number;
  guild_id?: Id | null;
  name: string;
  topic?: string | null;
  position?: number;
  last_message_id?: Id | null;
  last_seq?: number | null;
  permission_overwrites?: Overwrite[];
}

export interface Role {
  id: Id;
  name: string;
  permissions: string;
  position: number;
  color?: number;
}

export interface Member {
  user: User;
  nick?: string | null;
  roles: Id[];
  joined_at?: string | null;
}

export interface Presence {
  user: { id: Id };
  status: string;
}

export interface Guild {
  id: Id;
  name: string;
  owner_id: Id;
  icon?: string | null;
  roles?: Role[];
  channels?: Channel[];
  members?: Member[];
  presences?: Presence[];
  member_count?: number;
  unavailable?: boolean;
}

export interface Message {
  id: Id;
  channel_id: Id;
  guild_id?: Id | null;
  author: User;
  content: string;
  timestamp: string;
  edited_timestamp?: string | null;
  type?: number;
  nonce?: string | number | null;
  seq?: number;
}

/** What is left of a deleted message in an `after_seq` answer. */
export interface Tombstone {
  id: Id;
  seq: number;
  deleted: true;
}

export type SeqItem = Message | Tombstone;

export interface Invite {
  code: string;
  channel?: { id: Id; name: string } | null;
  guild?: { id: Id; name: string; member_count?: number } | null;
  uses?: number;
  max_uses?: number;
  expires_at?: string | null;
  approximate_member_count?: number;
}

export interface ReadState {
  channel_id?: Id;
  /** Some servers name the channel of a read state `id`. */
  id?: Id;
  last_message_id?: Id | null;
  mention_count?: number;
}

export interface AuthAnswer {
  access_token: string;
  refresh_token: string;
  /** Seconds until the access token ends. */
  expires_in: number;
  user: User;
}

export interface AuthSession {
  id: Id;
  created_at?: string;
  last_used_at?: string;
  user_agent?: string | null;
  device?: string | null;
  current?: boolean;
}

export interface Ready {
  v: number;
  session_id: string;
  resume_gateway_url?: string | null;
  user: User;
  guilds: Guild[];
  read_states?: ReadState[];
  resume_window?: { seconds: number; events: number };
}

export const isTombstone = (item: SeqItem): item is Tombstone => (item as Tombstone).deleted === true;
