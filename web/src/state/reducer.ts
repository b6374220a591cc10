import { compareIds, maxId } from '../lib/snowflake';
import type { Channel, Guild, Id, Member, Message, Presence, Ready, Role, SeqItem, User } from '../net/types';
import { isTombstone } from '../net/types';
import type { Connection, GuildInfo, MessageWindow, OutboxEntry, Route, State } from './model';
import { initialState } from './model';

export type Action =
  | { type: 'login'; user: User; outbox: OutboxEntry[] }
  | { type: 'logout' }
  | { type: 'me'; user: User }
  | { type: 'connection'; connection: Connection }
  | { type: 'route'; route: Route }
  | { type: 'dispatch'; event: string; data: unknown; now: number }
  | { type: 'guild'; guild: Guild }
  | { type: 'guild-gone'; guild: Id }
  | { type: 'channel'; channel: Channel }
  | { type: 'members'; guild: Id; members: Member[] }
  | { type: 'window-open'; channel: Id }
  | { type: 'window-loaded'; channel: Id; page: Message[]; hasOlder: boolean }
  | { type: 'window-failed'; channel: Id }
  | { type: 'window-drop'; channels: Id[] }
  | { type: 'window-trim'; channel: Id; keep: number }
  | { type: 'older-loading'; channel: Id }
  | { type: 'older-loaded'; channel: Id; page: Message[]; hasOlder: boolean }
  | { type: 'older-failed'; channel: Id }
  | { type: 'reconcile'; channel: Id; page: Message[] }
  | { type: 'items'; channel: Id; items: SeqItem[] }
  | { type: 'message'; message: Message }
  | { type: 'message-gone'; channel: Id; id: Id }
  | { type: 'outbox'; entries: OutboxEntry[] }
  | { type: 'read'; channel: Id; message: Id }
  | { type: 'divider'; channel: Id; after: Id | null }
  | { type: 'typing-expire'; now: number };

const TYPING_MS = 10_000;
const DELETED_KEPT = 500;

const emptyWindow = (): MessageWindow => ({ status: 'loading', list: [], hasOlder: false, older: 'idle', dividerAfter: null });

const without = <T>(table: Record<Id, T>, key: Id): Record<Id, T> => {
  if (!(key in table)) return table;
  const next = { ...table };
  delete next[key];
  return next;
};

/* The later version of a message wins; a version without a number keeps the number that is known. */
const newer = (old: Message, fresh: Message): Message => {
  const before = Date.parse(old.edited_timestamp ?? '') || 0;
  const after = Date.parse(fresh.edited_timestamp ?? '') || 0;
  if (after < before) return old;
  const merged = { ...old, ...fresh };
  if (fresh.seq === undefined && old.seq !== undefined) merged.seq = old.seq;
  if (fresh.nonce === undefined && old.nonce !== undefined) merged.nonce = old.nonce;
  return merged;
};

/** Puts messages into a list that is sorted by id; each id is there once. */
export const mergeMessages = (list: Message[], more: Message[], deleted: readonly Id[] = []): Message[] => {
  const fresh = deleted.length === 0 ? more : more.filter((m) => !deleted.includes(m.id));
  if (fresh.length === 0) return list;
  const last = list[list.length - 1];
  if (fresh.length === 1 && (!last || compareIds(last.id, fresh[0]!.id) < 0)) return [...list, fresh[0]!];
  const byId = new Map(list.map((m) => [m.id, m]));
  for (const message of fresh) {
    const old = byId.get(message.id);
    byId.set(message.id, old ? newer(old, message) : message);
  }
  return [...byId.values()].sort((a, b) => compareIds(a.id, b.id));
};

const withWindow = (state: State, channel: Id, change: (w: MessageWindow) => MessageWindow): State => {
  const old = state.messages[channel];
  if (!old) return state;
  const next = change(old);
  return next === old ? state : { ...state, messages: { ...state.messages, [channel]: next } };
};

const touchChannel = (state: State, id: Id, message: Id | null, seq: number | undefined): State => {
  const channel = state.channels[id];
  if (!channel) return state;
  const last_message_id = maxId(channel.last_message_id, message);
  const last_seq = Math.max(channel.last_seq ?? 0, seq ?? 0);
  if (last_message_id === channel.last_message_id && last_seq === channel.last_seq) return state;
  return { ...state, channels: { ...state.channels, [id]: { ...channel, last_message_id, last_seq } } };
};

const putMessages = (state: State, channel: Id, messages: Message[]): State => {
  let next = state;
  const live = messages.filter((m) => !state.deleted.includes(m.id));
  const last = live.reduce<Message | null>((top, m) => (!top || compareIds(m.id, top.id) > 0 ? m : top), null);
  if (last) next = touchChannel(next, channel, last.id, last.seq);
  next = withWindow(next, channel, (w) => {
    /* What is older than the window's beginning belongs to history that is not loaded. */
    const first = w.list[0];
    const fitting = w.status === 'loaded' && w.hasOlder && first ? live.filter((m) => compareIds(m.id, first.id) >= 0) : live;
    const list = mergeMessages(w.list, fitting, state.deleted);
    return list === w.list ? w : { ...w, list };
  });
  /* A message of ours that has arrived needs no place among the waiting ones. */
  const mine = new Set(live.filter((m) => m.nonce != null && m.author.id === state.me?.id).map((m) => String(m.nonce)));
  if (mine.size > 0 && next.outbox.some((e) => mine.has(e.nonce))) {
    next = { ...next, outbox: next.outbox.filter((e) => !mine.has(e.nonce)) };
  }
  return next;
};

const dropMessage = (state: State, channel: Id, id: Id): State => {
  const deleted = state.deleted.includes(id) ? state.deleted : [...state.deleted.slice(-DELETED_KEPT), id];
  return withWindow({ ...state, deleted }, channel, (w) =>
    w.list.some((m) => m.id === id) ? { ...w, list: w.list.filter((m) => m.id !== id) } : w,
  );
};

const putGuild = (state: State, guild: Guild): State => {
  if (guild.unavailable && !guild.name) {
    const old = state.guilds[guild.id];
    return old ? { ...state, guilds: { ...state.guilds, [guild.id]: { ...old, unavailable: true } } } : state;
  }
  const old = state.guilds[guild.id];
  const info: GuildInfo = {
    id: guild.id,
    name: guild.name,
    owner_id: guild.owner_id,
    roles: guild.roles ?? old?.roles ?? [],
    memberCount: guild.member_count ?? old?.memberCount ?? 0,
    unavailable: false,
  };
  const next: State = { ...state, guilds: { ...state.guilds, [guild.id]: info } };
  if (!state.guildOrder.includes(guild.id)) next.guildOrder = [...state.guildOrder, guild.id].sort(compareIds);
  if (guild.channels) {
    const kept = Object.entries(state.channels).filter(([, c]) => c.guild_id !== guild.id);
    next.channels = Object.fromEntries(kept);
    for (const channel of guild.channels) {
      const known = state.channels[channel.id];
      next.channels[channel.id] = {
        ...channel,
        guild_id: guild.id,
        last_message_id: maxId(known?.last_message_id, channel.last_message_id),
        last_seq: Math.max(known?.last_seq ?? 0, channel.last_seq ?? 0),
      };
    }
  }
  if (guild.members) {
    const members = { ...state.members[guild.id] };
    for (const member of guild.members) members[member.user.id] = member;
    next.members = { ...state.members, [guild.id]: members };
  }
  if (guild.presences) {
    next.presences = { ...state.presences };
    for (const presence of guild.presences) next.presences[presence.user.id] = presence.status;
  }
  return next;
};

const dropGuild = (state: State, id: Id): State => {
  const lost = Object.values(state.channels).filter((c) => c.guild_id === id).map((c) => c.id);
  const channels = { ...state.channels };
  const messages = { ...state.messages };
  const typing = { ...state.typing };
  for (const channel of lost) {
    delete channels[channel];
    delete messages[channel];
    delete typing[channel];
  }
  return {
    ...state,
    guilds: without(state.guilds, id),
    guildOrder: state.guildOrder.filter((g) => g !== id),
    members: without(state.members, id),
    channels,
    messages,
    typing,
    route: state.route.guild === id ? { guild: null, channel: null } : state.route,
  };
};

const dropChannel = (state: State, id: Id): State => ({
  ...state,
  channels: without(state.channels, id),
  messages: without(state.messages, id),
  typing: without(state.typing, id),
  route: state.route.channel === id ? { guild: state.route.guild, channel: null } : state.route,
});

const putMember = (state: State, guild: Id, member: Partial<Member> & { user: User }): State => {
  const table = state.members[guild] ?? {};
  const old = table[member.user.id];
  const merged: Member = { roles: [], ...old, ...member };
  return { ...state, members: { ...state.members, [guild]: { ...table, [member.user.id]: merged } } };
};

const setTyping = (state: State, channel: Id, user: Id, until: number): State => ({
  ...state,
  typing: { ...state.typing, [channel]: { ...state.typing[channel], [user]: until } },
});

const stopTyping = (state: State, channel: Id, user: Id): State => {
  const table = state.typing[channel];
  if (!table || !(user in table)) return state;
  return { ...state, typing: { ...state.typing, [channel]: without(table, user) } };
};

const countMembers = (state: State, guild: Id, by: number): State => {
  const info = state.guilds[guild];
  if (!info) return state;
  return { ...state, guilds: { ...state.guilds, [guild]: { ...info, memberCount: Math.max(0, info.memberCount + by) } } };
};

const setRead = (state: State, channel: Id, message: Id): State => {
  const later = maxId(state.reads[channel], message);
  return later === state.reads[channel] ? state : { ...state, reads: { ...state.reads, [channel]: later! } };
};

const ready = (state: State, data: Ready): State => {
  const listed = new Set(data.guilds.map((g) => g.id));
  let next: State = { ...state, me: data.user, synced: true, presences: {}, typing: {} };
  for (const id of state.guildOrder) if (!listed.has(id)) next = dropGuild(next, id);
  for (const read of data.read_states ?? []) {
    const channel = read.channel_id ?? read.id;
    if (channel && read.last_message_id) next = setRead(next, channel, read.last_message_id);
  }
  return next;
};

const dispatchEvent = (state: State, event: string, data: unknown, now: number): State => {
  switch (event) {
    case 'READY':
      return ready(state, data as Ready);
    case 'GUILD_CREATE':
    case 'GUILD_UPDATE':
      return putGuild(state, data as Guild);
    case 'GUILD_DELETE': {
      const d = data as { id: Id; unavailable?: boolean };
      const info = state.guilds[d.id];
      if (!d.unavailable) return dropGuild(state, d.id);
      return info ? { ...state, guilds: { ...state.guilds, [d.id]: { ...info, unavailable: true } } } : state;
    }
    case 'CHANNEL_CREATE':
    case 'CHANNEL_UPDATE': {
      const channel = data as Channel;
      const known = state.channels[channel.id];
      return { ...state, channels: { ...state.channels, [channel.id]: { ...known, ...channel } } };
    }
    case 'CHANNEL_DELETE':
      return dropChannel(state, (data as Channel).id);
    case 'GUILD_ROLE_CREATE':
    case 'GUILD_ROLE_UPDATE': {
      const d = data as { guild_id: Id; role: Role };
      const info = state.guilds[d.guild_id];
      if (!info) return state;
      const roles = [...info.roles.filter((r) => r.id !== d.role.id), d.role];
      return { ...state, guilds: { ...state.guilds, [info.id]: { ...info, roles } } };
    }
    case 'GUILD_ROLE_DELETE': {
      const d = data as { guild_id: Id; role_id: Id };
      const info = state.guilds[d.guild_id];
      if (!info) return state;
      return { ...state, guilds: { ...state.guilds, [info.id]: { ...info, roles: info.roles.filter((r) => r.id !== d.role_id) } } };
    }
    case 'GUILD_MEMBER_ADD': {
      const d = data as Member & { guild_id: Id };
      const known = state.members[d.guild_id]?.[d.user.id] !== undefined;
      const next = putMember(state, d.guild_id, d);
      return known ? next : countMembers(next, d.guild_id, 1);
    }
    case 'GUILD_MEMBER_UPDATE': {
      const d = data as Member & { guild_id: Id };
      return putMember(state, d.guild_id, d);
    }
    case 'GUILD_MEMBER_REMOVE': {
      const d = data as { guild_id: Id; user: User };
      const table = state.members[d.guild_id] ?? {};
      const next = { ...state, members: { ...state.members, [d.guild_id]: without(table, d.user.id) } };
      return countMembers(next, d.guild_id, -1);
    }
    case 'PRESENCE_UPDATE': {
      const d = data as Presence;
      return state.presences[d.user.id] === d.status
        ? state
        : { ...state, presences: { ...state.presences, [d.user.id]: d.status } };
    }
    case 'USER_UPDATE':
      return { ...state, me: { ...state.me, ...(data as User) } };
    case 'TYPING_START': {
      const d = data as { channel_id: Id; guild_id?: Id; user_id: Id; member?: Member };
      if (d.user_id === state.me?.id) return state;
      const known = d.guild_id && d.member?.user && !state.members[d.guild_id]?.[d.user_id];
      const next = known ? putMember(state, d.guild_id!, d.member!) : state;
      return setTyping(next, d.channel_id, d.user_id, now + TYPING_MS);
    }
    case 'MESSAGE_CREATE': {
      const message = data as Message;
      const next = stopTyping(putMessages(state, message.channel_id, [message]), message.channel_id, message.author.id);
      return message.author.id === state.me?.id ? setRead(next, message.channel_id, message.id) : next;
    }
    case 'MESSAGE_UPDATE': {
      const message = data as Partial<Message> & { id: Id; channel_id: Id };
      return withWindow(state, message.channel_id, (w) => {
        const at = w.list.findIndex((m) => m.id === message.id);
        if (at < 0) return w;
        const list = [...w.list];
        list[at] = newer(list[at]!, { ...list[at]!, ...message });
        return { ...w, list };
      });
    }
    case 'MESSAGE_DELETE': {
      const d = data as { id: Id; channel_id: Id };
      return dropMessage(state, d.channel_id, d.id);
    }
    case 'MESSAGE_DELETE_BULK': {
      const d = data as { ids: Id[]; channel_id: Id };
      return d.ids.reduce((s, id) => dropMessage(s, d.channel_id, id), state);
    }
    case 'MESSAGE_ACK': {
      const d = data as { channel_id: Id; message_id: Id };
      return setRead(state, d.channel_id, d.message_id);
    }
    default:
      return state;
  }
};

/** The whole client's memory as a function of what happened. Pure. */
export const reduce = (state: State, action: Action): State => {
  switch (action.type) {
    case 'login':
      return { ...initialState, route: state.route, me: action.user, outbox: action.outbox };
    case 'logout':
      return initialState;
    case 'me':
      return { ...state, me: action.user };
    case 'connection':
      return { ...state, connection: action.connection };
    case 'route':
      return state.route.guild === action.route.guild && state.route.channel === action.route.channel
        ? state
        : { ...state, route: action.route };
    case 'dispatch':
      return dispatchEvent(state, action.event, action.data, action.now);
    case 'guild':
      return putGuild(state, action.guild);
    case 'guild-gone':
      return dropGuild(state, action.guild);
    case 'channel':
      return dispatchEvent(state, 'CHANNEL_UPDATE', action.channel, 0);
    case 'members':
      return action.members.reduce((s, m) => putMember(s, action.guild, m), state);
    case 'window-open': {
      const old = state.messages[action.channel];
      const next = old?.status === 'failed' ? { ...old, status: 'loading' as const } : (old ?? emptyWindow());
      return next === old ? state : { ...state, messages: { ...state.messages, [action.channel]: next } };
    }
    case 'window-loaded': {
      const opened = withWindow(state, action.channel, (w) => ({ ...w, status: 'loaded', hasOlder: false }));
      const filled = putMessages(opened, action.channel, action.page);
      return withWindow(filled, action.channel, (w) => ({ ...w, hasOlder: action.hasOlder }));
    }
    case 'window-failed':
      return withWindow(state, action.channel, (w) => (w.status === 'loading' ? { ...w, status: 'failed' } : w));
    case 'window-drop': {
      const messages = action.channels.reduce((table, id) => without(table, id), state.messages);
      return messages === state.messages ? state : { ...state, messages };
    }
    case 'window-trim':
      return withWindow(state, action.channel, (w) =>
        w.status === 'loaded' && w.list.length > action.keep ? { ...w, list: w.list.slice(-action.keep), hasOlder: true } : w,
      );
    case 'older-loading':
      return withWindow(state, action.channel, (w) => ({ ...w, older: 'loading' }));
    case 'older-failed':
      return withWindow(state, action.channel, (w) => ({ ...w, older: 'failed' }));
    case 'older-loaded':
      return withWindow(state, action.channel, (w) => ({
        ...w,
        older: 'idle',
        hasOlder: action.hasOlder,
        list: mergeMessages(w.list, action.page, state.deleted),
      }));
    case 'reconcile': {
      /* What the server no longer lists within the span of its answer was deleted while nobody listened. */
      const listed = new Set(action.page.map((m) => m.id));
      const ids = action.page.map((m) => m.id).sort(compareIds);
      const [first, last] = [ids[0], ids[ids.length - 1]];
      const cleaned = withWindow(state, action.channel, (w) => {
        if (!first || !last) return w;
        const list = w.list.filter((m) => listed.has(m.id) || compareIds(m.id, first) < 0 || compareIds(m.id, last) > 0);
        return list.length === w.list.length ? w : { ...w, list };
      });
      return putMessages(cleaned, action.channel, action.page);
    }
    case 'items': {
      let next = state;
      for (const item of action.items) if (isTombstone(item)) next = dropMessage(next, action.channel, item.id);
      return putMessages(next, action.channel, action.items.filter((i): i is Message => !isTombstone(i)));
    }
    case 'message':
      return putMessages(state, action.message.channel_id, [action.message]);
    case 'message-gone':
      return dropMessage(state, action.channel, action.id);
    case 'outbox':
      return { ...state, outbox: action.entries };
    case 'read':
      return setRead(state, action.channel, action.message);
    case 'divider':
      return withWindow(state, action.channel, (w) => (w.dividerAfter === action.after ? w : { ...w, dividerAfter: action.after }));
    case 'typing-expire': {
      let typing = state.typing;
      for (const [channel, table] of Object.entries(state.typing)) {
        const alive = Object.entries(table).filter(([, until]) => until > action.now);
        if (alive.length === Object.keys(table).length) continue;
        if (typing === state.typing) typing = { ...typing };
        if (alive.length === 0) delete typing[channel];
        else typing[channel] = Object.fromEntries(alive);
      }
      return typing === state.typing ? state : { ...state, typing };
    }
  }
};

/** Whether a channel holds something that was not read yet. */
export const isUnread = (state: State, channel: Channel): boolean => {
  if (!channel.last_message_id) return false;
  const read = state.reads[channel.id];
  return !read || compareIds(channel.last_message_id, read) > 0;
};

/** The order of channels in a list. */
export const inOrder = (a: Channel, b: Channel): number => (a.position ?? 0) - (b.position ?? 0) || compareIds(a.id, b.id);
