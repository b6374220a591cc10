import { describe, expect, it } from 'vitest';
import type { Guild, Message } from '../src/net/types';
import type { State } from '../src/state/model';
import { initialState } from '../src/state/model';
import type { Action } from '../src/state/reducer';
import { isUnread, mergeMessages, reduce } from '../src/state/reducer';
import { createStore } from '../src/state/store';
import { message } from './fake';

const me = { id: 'u1', username: 'me' };
const guild = (change: Partial<Guild> = {}): Guild => ({
  id: '10',
  name: 'G',
  owner_id: 'u1',
  roles: [],
  channels: [{ id: 'c1', type: 0, name: 'general', last_message_id: '5', last_seq: 5 }],
  members: [{ user: me, roles: [] }],
  presences: [{ user: { id: 'u1' }, status: 'online' }],
  member_count: 3,
  ...change,
});
const event = (name: string, data: unknown, now = 0): Action => ({ type: 'dispatch', event: name, data, now });
const run = (actions: Action[], from: State = initialState): State => actions.reduce(reduce, from);
const start = run([
  { type: 'login', user: me, outbox: [] },
  event('READY', { v: 1, session_id: 's', user: me, guilds: [{ id: '10', unavailable: true }], read_states: [{ channel_id: 'c1', last_message_id: '4', mention_count: 0 }] }),
  event('GUILD_CREATE', guild()),
]);
const opened = run(
  [
    { type: 'window-open', channel: 'c1' },
    { type: 'window-loaded', channel: 'c1', page: [message(5), message(4), message(3)], hasOlder: true },
  ],
  start,
);
const ids = (state: State): string[] => state.messages['c1']?.list.map((m) => m.id) ?? [];

describe('merging messages', () => {
  it('sorts by age, not by text', () => {
    expect(mergeMessages([message(9)], [message(10), message(8), message(100)]).map((m) => m.id)).toEqual(['8', '9', '10', '100']);
  });
  it('keeps one of each, the later version', () => {
    const edited = message(1, { content: 'new', edited_timestamp: '2024-01-01T00:00:00.000Z' });
    expect(mergeMessages([message(1)], [edited])).toMatchObject([{ content: 'new' }]);
    expect(mergeMessages([edited], [message(1)])).toMatchObject([{ content: 'new' }]);
  });
  it('keeps the number and the nonce that are known', () => {
    const bare: Message = message(1);
    delete bare.seq;
    expect(mergeMessages([message(1, { nonce: 'n' })], [bare])[0]).toMatchObject({ seq: 1, nonce: 'n' });
  });
  it('leaves the list alone when nothing is new', () => {
    const list = [message(1)];
    expect(mergeMessages(list, [])).toBe(list);
    expect(mergeMessages(list, [message(2)], ['2'])).toBe(list);
  });
});

describe('starting', () => {
  it('takes communities, channels, people and read states', () => {
    expect(start.guildOrder).toEqual(['10']);
    expect(start.channels['c1']).toMatchObject({ guild_id: '10', last_seq: 5 });
    expect(start.presences['u1']).toBe('online');
    expect(isUnread(start, start.channels['c1']!)).toBe(true);
  });
  it('forgets communities that a later READY does not name', () => {
    const state = run([event('READY', { v: 1, session_id: 't', user: me, guilds: [] })], opened);
    expect(state.guildOrder).toEqual([]);
    expect(state.channels).toEqual({});
    expect(state.messages).toEqual({});
  });
  it('a GUILD_CREATE from before does not take a channel back in time', () => {
    const state = run([event('MESSAGE_CREATE', message(9)), event('GUILD_CREATE', guild())], start);
    expect(state.channels['c1']).toMatchObject({ last_message_id: '9', last_seq: 9 });
  });
  it('an outage hides nothing; a removal does', () => {
    expect(run([event('GUILD_DELETE', { id: '10', unavailable: true })], start).guilds['10']?.unavailable).toBe(true);
    expect(run([event('GUILD_DELETE', { id: '10' })], start).guilds).toEqual({});
  });
  it('logging out forgets everything', () => {
    expect(run([{ type: 'logout' }], opened)).toEqual(initialState);
  });
});

describe('messages', () => {
  it('live ones join a loaded channel and touch the others', () => {
    expect(ids(run([event('MESSAGE_CREATE', message(6))], opened))).toEqual(['3', '4', '5', '6']);
    const state = run([event('MESSAGE_CREATE', message(6))], start);
    expect(state.messages['c1']).toBeUndefined();
    expect(state.channels['c1']?.last_message_id).toBe('6');
  });
  it('a message that comes twice is there once', () => {
    expect(ids(run([event('MESSAGE_CREATE', message(6)), event('MESSAGE_CREATE', message(6))], opened))).toEqual(['3', '4', '5', '6']);
  });
  it('one that arrives while the first page is loading is kept', () => {
    const state = run(
      [
        { type: 'window-open', channel: 'c1' },
        event('MESSAGE_CREATE', message(6)),
        { type: 'window-loaded', channel: 'c1', page: [message(5), message(4)], hasOlder: false },
      ],
      start,
    );
    expect(ids(state)).toEqual(['4', '5', '6']);
  });
  it('edits change what is there and nothing else', () => {
    const edit = { id: '4', channel_id: 'c1', content: 'new', edited_timestamp: '2024-01-01T00:00:00.000Z' };
    const state = run([event('MESSAGE_UPDATE', edit)], opened);
    expect(state.messages['c1']!.list[1]).toMatchObject({ content: 'new', author: { id: 'u2' }, seq: 4 });
    expect(ids(run([event('MESSAGE_UPDATE', { ...edit, id: '99' })], opened))).toEqual(['3', '4', '5']);
  });
  it('a deleted message does not come back with a late page', () => {
    const state = run(
      [
        event('MESSAGE_DELETE', { id: '2', channel_id: 'c1' }),
        event('MESSAGE_DELETE', { id: '4', channel_id: 'c1' }),
        { type: 'older-loaded', channel: 'c1', page: [message(2), message(1)], hasOlder: false },
        { type: 'items', channel: 'c1', items: [message(4)] },
      ],
      opened,
    );
    expect(ids(state)).toEqual(['1', '3', '5']);
  });
  it('filled gaps put messages in and take deleted ones out', () => {
    const state = run([{ type: 'items', channel: 'c1', items: [{ id: '5', seq: 5, deleted: true }, message(6), message(7)] }], opened);
    expect(ids(state)).toEqual(['3', '4', '6', '7']);
    expect(state.channels['c1']?.last_seq).toBe(7);
  });
  it('what is older than the loaded part stays out of it', () => {
    expect(ids(run([{ type: 'items', channel: 'c1', items: [message(1), message(6)] }], opened))).toEqual(['3', '4', '5', '6']);
  });
  it('reconciling removes what was deleted unheard, within the span of the answer', () => {
    const state = run(
      [event('MESSAGE_CREATE', message(8)), { type: 'reconcile', channel: 'c1', page: [message(7), message(6), message(4)] }],
      opened,
    );
    expect(ids(state)).toEqual(['3', '4', '6', '7', '8']);
  });
  it('a trimmed channel can load its older messages again', () => {
    const state = run([{ type: 'window-trim', channel: 'c1', keep: 1 }], opened);
    expect(ids(state)).toEqual(['5']);
    expect(state.messages['c1']!.hasOlder).toBe(true);
    expect(ids(run([{ type: 'older-loaded', channel: 'c1', page: [message(4), message(3)], hasOlder: true }], state))).toEqual(['3', '4', '5']);
  });
});

describe('own messages', () => {
  const entry = { nonce: '900', channel_id: 'c1', content: 'hi', created: 0, state: 'sending' as const };
  const waiting = run([{ type: 'outbox', entries: [entry] }], opened);
  it('leave the outbox when they arrive', () => {
    const state = run([event('MESSAGE_CREATE', message(6, { author: me, nonce: '900' }))], waiting);
    expect(state.outbox).toEqual([]);
    expect(ids(state)).toEqual(['3', '4', '5', '6']);
    expect(state.reads['c1']).toBe('6');
  });
  it("stay when somebody else's message has the same nonce", () => {
    expect(run([event('MESSAGE_CREATE', message(6, { nonce: '900' }))], waiting).outbox).toEqual([entry]);
  });
});

describe('people', () => {
  it('join, change and leave', () => {
    const user = { id: 'u9', username: 'nine' };
    let state = run([event('GUILD_MEMBER_ADD', { guild_id: '10', user, roles: [] })], start);
    expect(state.guilds['10']?.memberCount).toBe(4);
    state = run([event('GUILD_MEMBER_ADD', { guild_id: '10', user, roles: [] })], state);
    expect(state.guilds['10']?.memberCount).toBe(4);
    state = run([event('GUILD_MEMBER_UPDATE', { guild_id: '10', user, nick: 'N', roles: ['r'] })], state);
    expect(state.members['10']?.['u9']).toMatchObject({ nick: 'N', roles: ['r'] });
    state = run([event('GUILD_MEMBER_REMOVE', { guild_id: '10', user })], state);
    expect(state.members['10']?.['u9']).toBeUndefined();
    expect(state.guilds['10']?.memberCount).toBe(3);
  });
  it('come and go', () => {
    expect(run([event('PRESENCE_UPDATE', { user: { id: 'u2' }, status: 'idle' })], start).presences['u2']).toBe('idle');
  });
  it('typing ends with time, with a message, and is never shown to oneself', () => {
    const typing = run([event('TYPING_START', { channel_id: 'c1', user_id: 'u2' }, 1000), event('TYPING_START', { channel_id: 'c1', user_id: 'u1' }, 1000)], start);
    expect(Object.keys(typing.typing['c1'] ?? {})).toEqual(['u2']);
    expect(run([{ type: 'typing-expire', now: 11_001 }], typing).typing).toEqual({});
    expect(run([{ type: 'typing-expire', now: 5_000 }], typing)).toBe(typing);
    expect(run([event('MESSAGE_CREATE', message(6))], typing).typing['c1']).toEqual({});
  });
});

describe('reading', () => {
  it('never goes back', () => {
    const state = run([{ type: 'read', channel: 'c1', message: '5' }], start);
    expect(isUnread(state, state.channels['c1']!)).toBe(false);
    expect(run([event('MESSAGE_ACK', { channel_id: 'c1', message_id: '3' })], state)).toBe(state);
  });
  it('follows other devices', () => {
    const state = run([event('MESSAGE_ACK', { channel_id: 'c1', message_id: '5' })], start);
    expect(isUnread(state, state.channels['c1']!)).toBe(false);
  });
});

describe('channels', () => {
  it('come, change and go', () => {
    let state = run([event('CHANNEL_CREATE', { id: 'c2', type: 0, guild_id: '10', name: 'two' })], start);
    state = run([event('CHANNEL_UPDATE', { id: 'c2', type: 0, guild_id: '10', name: 'deux' }), { type: 'route', route: { guild: '10', channel: 'c2' } }], state);
    expect(state.channels['c2']?.name).toBe('deux');
    state = run([event('CHANNEL_DELETE', { id: 'c2' })], state);
    expect(state.channels['c2']).toBeUndefined();
    expect(state.route).toEqual({ guild: '10', channel: null });
  });
});

describe('the store', () => {
  it('tells its listeners of changes only, and many changes as one', () => {
    const plans: (() => void)[] = [];
    const store = createStore((s: number, a: number) => s + a, 0, (tell) => plans.push(tell));
    let told = 0;
    const stop = store.subscribe(() => told++);
    store.dispatch(0);
    expect(plans).toHaveLength(0);
    store.dispatch(1);
    store.dispatch(2);
    expect(store.get()).toBe(3);
    expect(plans).toHaveLength(1);
    plans[0]!();
    expect(told).toBe(1);
    stop();
    store.dispatch(1);
    plans[1]!();
    expect(told).toBe(1);
  });
});
