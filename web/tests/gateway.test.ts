import { beforeEach, describe, expect, it } from 'vitest';
import type { GatewayStatus } from '../src/net/gateway';
import { Gateway, Op } from '../src/net/gateway';
import { connectionOf } from '../src/state/client';
import { FakeClock, FakeSocket, settle } from './fake';

let clock: FakeClock;
let sockets: FakeSocket[];
let events: string[];
let statuses: GatewayStatus[];
let refusals: (string | undefined)[];
let tokens: () => Promise<string>;
let gateway: Gateway;

class Final extends Error {}
const last = (): FakeSocket => sockets[sockets.length - 1]!;

beforeEach(() => {
  clock = new FakeClock();
  sockets = [];
  events = [];
  statuses = [];
  refusals = [];
  let n = 0;
  tokens = () => Promise.resolve(`token${++n}`);
  gateway = new Gateway({
    url: 'ws://nexus.test/gateway',
    open: (url) => {
      const socket = new FakeSocket(url);
      sockets.push(socket);
      return socket;
    },
    clock,
    token: (refused) => {
      refusals.push(refused);
      return tokens();
    },
    isFinal: (error) => error instanceof Final,
    intents: 513,
    onDispatch: (type) => events.push(type),
    onStatus: (status) => statuses.push(status),
  });
});

const ready = async (resume: string | null = null): Promise<FakeSocket> => {
  gateway.connect();
  await settle();
  last().hello();
  last().dispatch('READY', 1, { session_id: 'S1', resume_gateway_url: resume, guilds: [] });
  expect(gateway.ready).toBe(true);
  return last();
};

describe('connecting', () => {
  it('identifies after HELLO with token, intents and the resync capability', async () => {
    gateway.connect();
    await settle();
    expect(last().url).toBe('ws://nexus.test/gateway?v=1&encoding=json');
    last().open();
    expect(last().sent).toEqual([]);
    last().hello();
    expect(last().ops(Op.identify)[0]?.d).toMatchObject({ token: 'token1', intents: 513, capabilities: ['resync'] });
    expect(gateway.ready).toBe(false);
    last().dispatch('READY', 1, { session_id: 'S1' });
    expect(gateway.ready).toBe(true);
    expect(events).toEqual(['READY']);
  });

  it('does not send payloads before it is ready', async () => {
    gateway.connect();
    await settle();
    last().hello();
    expect(gateway.send(67, {})).toBe(false);
    last().dispatch('READY', 1, { session_id: 'S1' });
    expect(gateway.send(67, { a: 1 })).toBe(true);
    expect(last().ops(67)[0]?.d).toEqual({ a: 1 });
  });

  it('gives a handshake up that is never finished', async () => {
    gateway.connect();
    await settle();
    last().hello(1_000_000);
    await clock.pass(20_000);
    expect(gateway.status.phase).toBe('waiting');
    await clock.pass(2_000);
    expect(sockets).toHaveLength(2);
  });

  it('waits longer after each failure, and never longer than 20 seconds', async () => {
    gateway.connect();
    await settle();
    const waits: number[] = [];
    for (let i = 0; i < 10; i++) {
      last().end(1006);
      waits.push(gateway.status.retryAt - clock.now());
      await clock.pass(waits[i]!);
      expect(sockets).toHaveLength(i + 2);
    }
    expect(waits[0]).toBeLessThanOrEqual(500);
    for (let i = 1; i < waits.length; i++) expect(waits[i]!).toBeGreaterThanOrEqual(waits[i - 1]!);
    expect(Math.max(...waits)).toBeLessThanOrEqual(20_000);
  });

  it('tries again when there is no token for the moment, and stops when there never will be', async () => {
    tokens = () => Promise.reject(new TypeError('network'));
    gateway.connect();
    await settle();
    expect(gateway.status.phase).toBe('waiting');
    expect(sockets).toHaveLength(0);
    tokens = () => Promise.reject(new Final());
    await clock.pass(1000);
    expect(gateway.status).toMatchObject({ phase: 'stopped', stopReason: 'signed-out' });
    expect(clock.pending).toBe(0);
  });

  it('ignores what is not JSON and what it does not know', async () => {
    const socket = await ready();
    socket.onmessage?.({ data: '{nonsense' });
    socket.onmessage?.({ data: new ArrayBuffer(2) });
    socket.say({ op: 99 });
    expect(gateway.ready).toBe(true);
  });
});

describe('heartbeat', () => {
  it('starts at a random part of the interval and then keeps it', async () => {
    clock.chance = 0.25;
    const socket = await ready();
    await clock.pass(7_499);
    expect(socket.ops(Op.heartbeat)).toHaveLength(0);
    await clock.pass(1);
    expect(socket.ops(Op.heartbeat)).toEqual([{ op: 1, d: 1 }]);
    socket.say({ op: 11 });
    socket.dispatch('TYPING_START', 7);
    await clock.pass(30_000);
    expect(socket.ops(Op.heartbeat)[1]).toEqual({ op: 1, d: 7 });
  });

  it('answers when it is asked', async () => {
    const socket = await ready();
    socket.say({ op: 1 });
    expect(socket.ops(Op.heartbeat)).toEqual([{ op: 1, d: 1 }]);
  });

  it('drops a connection that misses an answer and resumes', async () => {
    const socket = await ready();
    await clock.pass(15_000 + 30_000);
    expect(socket.closedWith).toBe(4000);
    expect(gateway.status.phase).toBe('waiting');
    await clock.pass(500);
    last().hello();
    expect(last().ops(Op.resume)[0]?.d).toEqual({ token: 'token2', session_id: 'S1', seq: 1 });
  });

  it('a probe finds a dead connection in four seconds and leaves a live one alone', async () => {
    const socket = await ready();
    gateway.probe();
    socket.say({ op: 11 });
    await clock.pass(5_000);
    expect(gateway.ready).toBe(true);
    gateway.probe();
    gateway.probe();
    expect(socket.ops(Op.heartbeat)).toHaveLength(2);
    await clock.pass(4_000);
    expect(gateway.ready).toBe(false);
  });
});

describe('resuming', () => {
  it('asks for what came after the last seq, and is ready with RESUMED', async () => {
    (await ready()).dispatch('MESSAGE_CREATE', 41);
    last().end(1006);
    await clock.pass(500);
    last().hello();
    expect(last().ops(Op.resume)[0]?.d).toMatchObject({ session_id: 'S1', seq: 41 });
    expect(last().ops(Op.identify)).toHaveLength(0);
    last().dispatch('MESSAGE_CREATE', 42);
    expect(gateway.ready).toBe(false);
    last().dispatch('RESUMED', 43);
    expect(gateway.ready).toBe(true);
    expect(events).toEqual(['READY', 'MESSAGE_CREATE', 'MESSAGE_CREATE', 'RESUMED']);
    expect(gateway.status.failures).toBe(0);
  });

  it('uses the address of the session first, and its own after a failure', async () => {
    (await ready('ws://node2.test')).end(1006);
    await clock.pass(500);
    expect(last().url).toBe('ws://node2.test/gateway?v=1&encoding=json');
    last().end(1006);
    await clock.pass(2_000);
    expect(last().url).toBe('ws://nexus.test/gateway?v=1&encoding=json');
    last().hello();
    expect(last().ops(Op.resume)).toHaveLength(1);
  });

  it('follows op 7 at once, without ending the session', async () => {
    const socket = await ready();
    socket.say({ op: 7 });
    expect(socket.closedWith).toBe(4000);
    await clock.pass(500);
    last().hello();
    expect(last().ops(Op.resume)).toHaveLength(1);
  });

  it('identifies on the same connection after op 9 false', async () => {
    (await ready()).end(1006);
    await clock.pass(500);
    last().hello();
    last().say({ op: 9, d: false });
    expect(last().ops(Op.identify)).toHaveLength(0);
    await clock.pass(2_000);
    expect(last().ops(Op.identify)).toHaveLength(1);
    last().dispatch('READY', 1, { session_id: 'S2' });
    last().end(1006);
    await clock.pass(500);
    last().hello();
    expect(last().ops(Op.resume)[0]?.d).toMatchObject({ session_id: 'S2', seq: 1 });
  });

  it('identifies on the next connection when op 9 false is followed by a close', async () => {
    (await ready()).end(1006);
    await clock.pass(500);
    last().hello();
    last().say({ op: 9, d: false });
    last().end(4000);
    await clock.pass(2_000);
    last().hello();
    expect(last().ops(Op.identify)).toHaveLength(1);
  });

  it('resumes again after op 9 true, but not for ever', async () => {
    (await ready()).end(1006);
    await clock.pass(500);
    last().hello();
    for (let i = 0; i < 3; i++) {
      last().say({ op: 9, d: true });
      await clock.pass(2_000);
    }
    expect(last().ops(Op.resume)).toHaveLength(3);
    expect(last().ops(Op.identify)).toHaveLength(1);
  });

  it('does not hear a connection it has left', async () => {
    const old = await ready();
    const hear = old.onmessage!;
    old.say({ op: 7 });
    hear({ data: JSON.stringify({ op: 0, t: 'MESSAGE_CREATE', s: 99, d: {} }) });
    expect(events).toEqual(['READY']);
  });
});

describe('close codes', () => {
  it('4004: gets another token once, then stops', async () => {
    (await ready()).end(4004);
    await clock.pass(500);
    expect(refusals).toEqual([undefined, 'token1']);
    expect(sockets).toHaveLength(2);
    last().hello();
    last().end(4004);
    expect(gateway.status).toMatchObject({ phase: 'stopped', stopReason: 'signed-out' });
    await clock.pass(60_000);
    expect(sockets).toHaveLength(2);
  });

  it('4004 long after a good connection is a first one again', async () => {
    (await ready()).end(4004);
    await clock.pass(500);
    last().hello();
    last().dispatch('RESUMED', 2);
    last().end(4004);
    await clock.pass(500);
    expect(sockets).toHaveLength(3);
  });

  it('4100: reconnects to the address in the reason and resumes', async () => {
    (await ready('ws://node1.test/gateway')).end(4100, 'ws://node3.test/gateway');
    await clock.pass(500);
    expect(last().url).toContain('node3.test');
    last().hello();
    expect(last().ops(Op.resume)).toHaveLength(1);
  });

  it.each([1006, 1001, 4000, 4101, 4008])('%i: resumes', async (code) => {
    (await ready()).end(code);
    await clock.pass(6_000);
    last().hello();
    expect(last().ops(Op.resume)).toHaveLength(1);
  });

  it.each([1000, 4003, 4007, 4009, 4104])('%i: identifies anew', async (code) => {
    (await ready()).end(code);
    await clock.pass(1_000);
    last().hello();
    expect(last().ops(Op.identify)).toHaveLength(1);
    expect(last().ops(Op.resume)).toHaveLength(0);
  });

  it.each([
    [4102, 'replaced'],
    [4103, 'disabled'],
    [4013, 'refused'],
  ])('%i: stops (%s)', async (code, reason) => {
    (await ready()).end(code);
    expect(gateway.status).toMatchObject({ phase: 'stopped', stopReason: reason });
    expect(clock.pending).toBe(0);
  });

  it('a replaced connection comes back when the person wants it', async () => {
    (await ready()).end(4102);
    gateway.retryNow();
    await settle();
    last().hello();
    expect(last().ops(Op.identify)).toHaveLength(1);
  });

  it('never follows a pointer from an encrypted address to an open one', async () => {
    const safe = new Gateway({
      url: 'wss://nexus.test/gateway',
      open: (url) => {
        const socket = new FakeSocket(url);
        sockets.push(socket);
        return socket;
      },
      clock,
      token: tokens,
      isFinal: () => false,
      intents: 0,
      onDispatch: () => undefined,
      onStatus: () => undefined,
    });
    safe.connect();
    await settle();
    last().hello();
    last().dispatch('READY', 1, { session_id: 'S', resume_gateway_url: 'ws://evil.test' });
    last().end(4100, 'ws://evil.test');
    await clock.pass(500);
    expect(last().url).toContain('wss://nexus.test');
  });
});

describe('leaving', () => {
  it('disconnect ends everything, also an attempt that waits for its token', async () => {
    gateway.connect();
    gateway.disconnect();
    await settle();
    expect(sockets).toHaveLength(0);
    gateway.connect();
    await settle();
    last().hello();
    gateway.disconnect();
    expect(last().closedWith).toBe(1000);
    expect(clock.pending).toBe(0);
  });
});

describe('what the person sees', () => {
  it('names the connection after what the gateway does', () => {
    const base: GatewayStatus = { phase: 'opening', failures: 0, wasReady: false, stopReason: null, retryAt: 0 };
    expect(connectionOf(base, true).state).toBe('connecting');
    expect(connectionOf({ ...base, wasReady: true }, true).state).toBe('reconnecting');
    expect(connectionOf({ ...base, phase: 'waiting', wasReady: true, failures: 5 }, true).state).toBe('offline');
    expect(connectionOf({ ...base, wasReady: true }, false).state).toBe('offline');
    expect(connectionOf({ ...base, phase: 'ready' }, false).state).toBe('ready');
    expect(connectionOf({ ...base, phase: 'stopped', stopReason: 'replaced' }, true).notice).toContain('took over');
  });
});
