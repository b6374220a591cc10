import { beforeEach, describe, expect, it } from 'vitest';
import type { Tokens } from '../src/net/rest';
import { Rest, RestError, SignedOutError } from '../src/net/rest';
import { FakeClock, settle } from './fake';

interface Call {
  path: string;
  method: string;
  token: string | null;
  body: unknown;
  answer: (status: number, body?: unknown) => void;
  fail: () => void;
}

let clock: FakeClock;
let calls: Call[];
let held: Tokens | null;
let signedOut: number;
let rest: Rest;

const user = { id: '1', username: 'me' };
const grant = (n: number) => ({ access_token: `a${n}`, refresh_token: `r${n}`, expires_in: 900, user });

beforeEach(() => {
  clock = new FakeClock();
  calls = [];
  signedOut = 0;
  held = { access_token: 'a0', refresh_token: 'r0', expires_at: clock.now() + 900_000, user };
  rest = new Rest({
    base: '/api/v1',
    clock,
    tokens: {
      load: () => held,
      save: (tokens) => {
        held = tokens;
      },
    },
    exclusive: (fn) => fn(),
    onSignedOut: () => signedOut++,
    fetch: ((path: string, init: RequestInit) =>
      new Promise<Response>((answer, reject) => {
        const headers = init.headers as Record<string, string>;
        calls.push({
          path,
          method: init.method ?? '',
          token: headers['Authorization'] ?? null,
          body: init.body ? JSON.parse(init.body as string) : undefined,
          answer: (status, body) => answer(new Response(status === 204 ? null : JSON.stringify(body ?? {}), { status })),
          fail: () => reject(new TypeError('network')),
        });
        init.signal?.addEventListener('abort', () => reject(new DOMException('', 'AbortError')));
      })) as unknown as typeof fetch,
  });
});

/* Reading a body takes more than promises that are already due. */
const turn = async (): Promise<void> => {
  await new Promise((done) => setTimeout(done, 0));
  await settle();
};

describe('tokens', () => {
  it('go with each request', async () => {
    const me = rest.me();
    await turn();
    expect(calls[0]).toMatchObject({ path: '/api/v1/users/@me', token: 'Bearer a0' });
    calls[0]!.answer(200, user);
    expect(await me).toEqual(user);
  });

  it('are renewed before they end, once for all who need it', async () => {
    clock.time += 880_000;
    const both = Promise.all([rest.token(), rest.token()]);
    await turn();
    expect(calls).toHaveLength(1);
    expect(calls[0]).toMatchObject({ path: '/api/v1/auth/refresh', token: null, body: { refresh_token: 'r0' } });
    calls[0]!.answer(200, grant(1));
    expect(await both).toEqual(['a1', 'a1']);
    expect(held?.refresh_token).toBe('r1');
  });

  it('are renewed when the server refuses one, and the request is made again', async () => {
    const me = rest.me();
    await turn();
    calls[0]!.answer(401);
    await turn();
    calls[1]!.answer(200, grant(1));
    await turn();
    expect(calls[2]?.token).toBe('Bearer a1');
    calls[2]!.answer(401, { code: 0, message: 'no' });
    await expect(me).rejects.toMatchObject({ status: 401 });
    expect(calls).toHaveLength(3);
  });

  it('rotated by another tab meanwhile are taken, not rotated again', async () => {
    clock.time += 1_000_000;
    const fresh = { access_token: 'b', refresh_token: 'rb', expires_at: clock.now() + 900_000, user };
    const old = held;
    let reads = 0;
    const tab = new Rest({
      ...(rest as unknown as { options: ConstructorParameters<typeof Rest>[0] }).options,
      tokens: { load: () => (reads++ === 0 ? old : fresh), save: () => undefined },
    });
    expect(await tab.token()).toBe('b');
    expect(calls).toHaveLength(0);
  });

  it('that cannot be renewed end the session; a dead network does not', async () => {
    clock.time += 1_000_000;
    const first = rest.token();
    await turn();
    calls[0]!.fail();
    await expect(first).rejects.toBeInstanceOf(TypeError);
    expect(held).not.toBeNull();
    const second = rest.token();
    await turn();
    calls[1]!.answer(401, { code: 50014, message: 'reused' });
    await expect(second).rejects.toBeInstanceOf(SignedOutError);
    expect(held).toBeNull();
    expect(signedOut).toBe(1);
  });
});

describe('limits and failures', () => {
  it('waits as long as a 429 says and repeats', async () => {
    const sent = rest.sendMessage('c', 'hi', '5');
    await turn();
    calls[0]!.answer(429, { message: 'slow', retry_after: 1.5, global: false });
    await turn();
    await clock.pass(1_499);
    expect(calls).toHaveLength(1);
    await clock.pass(1);
    expect(calls[1]?.body).toEqual({ content: 'hi', nonce: '5', enforce_nonce: true });
    calls[1]!.answer(200, { id: '9' });
    expect(await sent).toEqual({ id: '9' });
  });

  it('a global limit holds every request', async () => {
    void rest.me();
    await turn();
    calls[0]!.answer(429, { retry_after: 2, global: true });
    await turn();
    void rest.sessions();
    await turn();
    expect(calls).toHaveLength(1);
    await clock.pass(2_000);
    await turn();
    expect(calls).toHaveLength(3);
  });

  it('gives up on a limit that never ends', async () => {
    const sent = rest.typing('c');
    const seen = expect(sent).rejects.toMatchObject({ status: 429 });
    for (let i = 0; i < 5; i++) {
      await turn();
      calls[i]!.answer(429, { retry_after: 1, global: false });
      await turn();
      await clock.pass(1_000);
    }
    await seen;
  });

  it('repeats reads that failed on the way, but no writes', async () => {
    const me = rest.me();
    await turn();
    calls[0]!.fail();
    await clock.pass(500);
    calls[1]!.answer(503);
    await turn();
    await clock.pass(1_000);
    calls[2]!.answer(200, user);
    expect(await me).toEqual(user);
    const sent = rest.sendMessage('c', 'hi', '5');
    await turn();
    calls[3]!.fail();
    await expect(sent).rejects.toBeInstanceOf(TypeError);
  });

  it('a request without an answer ends', async () => {
    const sent = rest.sendMessage('c', 'hi', '5');
    const seen = expect(sent).rejects.toMatchObject({ name: 'AbortError' });
    await turn();
    await clock.pass(20_000);
    await seen;
  });

  it('tells what is wrong with which field', async () => {
    const made = rest.register('x', 'y');
    await turn();
    calls[0]!.answer(400, { code: 50035, message: 'Invalid Form Body', errors: { username: { _errors: [{ code: 'X', message: 'too short' }] } } });
    const error = await made.catch((e: unknown) => e);
    expect(error).toBeInstanceOf(RestError);
    expect((error as RestError).fields).toEqual({ username: 'too short' });
    expect((error as RestError).temporary).toBe(false);
  });

  it('understands an error that is not ours', async () => {
    const made = rest.createGuild('x');
    await turn();
    calls[0]!.answer(500, 'oops');
    await expect(made).rejects.toMatchObject({ status: 500, code: 0 });
  });
});

it('logging out forgets the tokens even when nobody answers', async () => {
  const out = rest.logout();
  await turn();
  expect(calls[0]).toMatchObject({ path: '/api/v1/auth/logout', body: { refresh_token: 'r0' }, token: 'Bearer a0' });
  await clock.pass(3_000);
  await out;
  expect(held).toBeNull();
});
