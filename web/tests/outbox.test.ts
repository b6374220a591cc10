import { beforeEach, describe, expect, it } from 'vitest';
import type { OutboxEntry } from '../src/state/model';
import type { Outcome } from '../src/state/outbox';
import { Outbox } from '../src/state/outbox';
import { FakeClock, message, settle } from './fake';

let clock: FakeClock;
let stored: Map<string, OutboxEntry>;
let live: OutboxEntry[];
let liveWorks: boolean;
let rest: { entry: OutboxEntry; answer: (outcome: Outcome) => void }[];
let sent: string[];
let silences: number;
let outbox: Outbox;

const make = (): Outbox =>
  new Outbox({
    clock,
    storage: {
      load: () => [...stored.values()],
      put: (entry) => stored.set(entry.nonce, entry),
      remove: (nonce) => stored.delete(nonce),
    },
    sendLive: (entry) => {
      if (liveWorks) live.push(entry);
      return liveWorks;
    },
    sendRest: (entry) => new Promise((answer) => rest.push({ entry, answer })),
    onSilence: () => silences++,
    onChange: () => undefined,
    onSent: (entry, id) => sent.push(`${entry.content}=${id}`),
  });

beforeEach(() => {
  clock = new FakeClock();
  stored = new Map();
  live = [];
  liveWorks = true;
  rest = [];
  sent = [];
  silences = 0;
  outbox = make();
});

const states = (): string[] => outbox.list.map((e) => `${e.content}:${e.state}`);

describe('with a connection', () => {
  beforeEach(() => outbox.setLive(true));

  it('shows and stores a message at once, and forgets it when it is acknowledged', () => {
    const entry = outbox.add('c1', 'hi');
    expect(states()).toEqual(['hi:sending']);
    expect(stored.has(entry.nonce)).toBe(true);
    expect(entry.nonce).toMatch(/^\d{15,25}$/);
    outbox.acknowledge(entry.nonce, '77', 5);
    expect(states()).toEqual([]);
    expect(stored.size).toBe(0);
    expect(sent).toEqual(['hi=77']);
    outbox.acknowledge(entry.nonce, '77', 5);
    expect(sent).toHaveLength(1);
  });

  it('sends one at a time in a channel, in order, and channels side by side', () => {
    const [a, b] = [outbox.add('c1', 'a'), outbox.add('c1', 'b')];
    outbox.add('c2', 'x');
    expect(BigInt(b.nonce)).toBeGreaterThan(BigInt(a.nonce));
    expect(live.map((e) => e.content)).toEqual(['a', 'x']);
    outbox.acknowledge(a.nonce, '1', 1);
    expect(live.map((e) => e.content)).toEqual(['a', 'x', 'b']);
  });

  it('marks a refused message and sends it again under the same nonce', () => {
    const a = outbox.add('c1', 'a');
    outbox.add('c1', 'b');
    outbox.refuse(a.nonce, 50013, 'Missing Permissions');
    expect(states()).toEqual(['a:failed', 'b:sending']);
    expect(outbox.list[0]!.error).toBe('Missing Permissions');
    outbox.acknowledge(live[1]!.nonce, '2', 2);
    outbox.retry(a.nonce);
    expect(live[2]).toMatchObject({ content: 'a', nonce: a.nonce });
    expect(outbox.list[0]!.error).toBeUndefined();
    outbox.refuse(a.nonce, 50013, 'no');
    outbox.discard(a.nonce);
    expect(stored.size).toBe(0);
  });

  it('tries again by itself when the server is only busy, but not for ever', async () => {
    const a = outbox.add('c1', 'a');
    outbox.refuse(a.nonce, 130000, 'overloaded');
    expect(states()).toEqual(['a:queued']);
    await clock.pass(1_000);
    expect(live).toHaveLength(2);
    for (let i = 0; i < 6; i++) {
      outbox.refuse(a.nonce, 130000, 'overloaded');
      await clock.pass(60_000);
    }
    expect(states()).toEqual(['a:failed']);
  });

  it('waits as long as a refusal says', async () => {
    const a = outbox.add('c1', 'a');
    outbox.refuse(a.nonce, 20016, 'slow mode', 7_000);
    await clock.pass(6_999);
    expect(live).toHaveLength(1);
    await clock.pass(1);
    expect(live).toHaveLength(2);
  });

  it('asks for a sign of life and goes by REST when no answer comes', async () => {
    const a = outbox.add('c1', 'a');
    await clock.pass(6_000);
    expect(silences).toBe(1);
    expect(rest[0]!.entry.nonce).toBe(a.nonce);
    /* The late answer of the first way. */
    outbox.acknowledge(a.nonce, '9', 9);
    rest[0]!.answer({ kind: 'sent', message: message(9, { nonce: a.nonce }) });
    await settle();
    expect(sent).toEqual(['a=9']);
  });

  it('stays below the limit of events in a minute', async () => {
    const answerAll = (): void => {
      for (let at = outbox.list[0]; at?.state === 'sending'; at = outbox.list[0]) outbox.acknowledge(at.nonce, at.nonce, 1);
    };
    for (let i = 0; i < 130; i++) outbox.add('c1', `m${i}`);
    answerAll();
    expect(live).toHaveLength(100);
    expect(outbox.list).toHaveLength(30);
    await clock.pass(60_001);
    answerAll();
    expect(live.map((e) => e.content)).toEqual(Array.from({ length: 130 }, (_, i) => `m${i}`));
  });
});

describe('without a connection', () => {
  it('waits for the gateway and sends everything under the old nonces', async () => {
    const a = outbox.add('c1', 'a');
    outbox.add('c1', 'b');
    expect(states()).toEqual(['a:queued', 'b:queued']);
    await clock.pass(2_000);
    outbox.setLive(true);
    expect(live.map((e) => e.nonce)).toEqual([a.nonce]);
    expect(rest).toHaveLength(0);
  });

  it('a lost connection takes back what was on its way', () => {
    outbox.setLive(true);
    const a = outbox.add('c1', 'a');
    outbox.setLive(false);
    expect(states()).toEqual(['a:queued']);
    outbox.setLive(true);
    expect(live.map((e) => e.nonce)).toEqual([a.nonce, a.nonce]);
    outbox.acknowledge(a.nonce, '1', 1);
    expect(sent).toEqual(['a=1']);
  });

  it('goes by REST when the gateway stays away', async () => {
    const a = outbox.add('c1', 'a');
    await clock.pass(4_000);
    expect(rest).toHaveLength(1);
    rest[0]!.answer({ kind: 'sent', message: message(3, { nonce: a.nonce }) });
    await settle();
    expect(sent).toEqual(['a=3']);
    expect(stored.size).toBe(0);
  });

  it('keeps trying by REST with growing pauses while nobody knows', async () => {
    outbox.add('c1', 'a');
    await clock.pass(4_000);
    for (const [i, wait] of [750, 1_500, 3_000].entries()) {
      rest[i]!.answer({ kind: 'unknown' });
      await settle();
      await clock.pass(wait - 1);
      expect(rest).toHaveLength(i + 1);
      await clock.pass(1);
      expect(rest).toHaveLength(i + 2);
    }
    expect(new Set(rest.map((r) => r.entry.nonce)).size).toBe(1);
  });

  it('is refused by REST', async () => {
    outbox.add('c1', 'a');
    await clock.pass(4_000);
    rest[0]!.answer({ kind: 'refused', reason: 'too long' });
    await settle();
    expect(outbox.list[0]).toMatchObject({ state: 'failed', error: 'too long' });
  });

  it('a request that hangs does not hold a message back when the gateway returns', async () => {
    const a = outbox.add('c1', 'a');
    await clock.pass(4_000);
    outbox.setLive(true);
    expect(live.map((e) => e.nonce)).toEqual([a.nonce]);
    rest[0]!.answer({ kind: 'unknown' });
    await settle();
    expect(states()).toEqual(['a:sending']);
  });
});

describe('after a reload', () => {
  it('goes on with what was stored, in order, failed ones only when asked', () => {
    outbox.setLive(true);
    const a = outbox.add('c1', 'a');
    outbox.add('c1', 'b');
    const c = outbox.add('c2', 'c');
    outbox.refuse(c.nonce, 50013, 'no');
    outbox.close();
    live = [];
    stored = new Map([...stored].reverse());
    outbox = make();
    expect(states()).toEqual(['a:queued', 'b:queued', 'c:failed']);
    outbox.setLive(true);
    expect(live.map((e) => e.nonce)).toEqual([a.nonce]);
  });

  it('a closed outbox does nothing more, a cleared one leaves nothing', async () => {
    outbox.add('c1', 'a');
    outbox.close();
    await clock.pass(60_000);
    expect(rest).toHaveLength(0);
    expect(stored.size).toBe(1);
    outbox.clear();
    expect(stored.size).toBe(0);
  });
});
