import type { Clock } from '../lib/clock';
import type { AuthAnswer, AuthSession, Channel, Guild, Id, Invite, Member, Message, SeqItem, User } from './types';

/** What is kept between visits. `expires_at` is in milliseconds of this machine's clock. */
export interface Tokens {
  access_token: string;
  refresh_token: string;
  expires_at: number;
  user: User;
}

/** Where tokens live. `load` is asked each time: another tab may have rotated them meanwhile. */
export interface TokenStore {
  load(): Tokens | null;
  save(tokens: Tokens | null): void;
}

/** The server answered, and the answer is no. */
export class RestError extends Error {
  constructor(
    readonly status: number,
    readonly code: number,
    message: string,
    /** First message of each refused field. */
    readonly fields: Record<string, string> = {},
  ) {
    super(message);
    this.name = 'RestError';
  }

  /** Whether the same request may succeed later. */
  get temporary(): boolean {
    return this.status >= 500 || this.status === 429 || this.status === 408;
  }
}

/** Nobody is logged in any more; asking again does not help. */
export class SignedOutError extends Error {
  constructor() {
    super('You are logged out.');
    this.name = 'SignedOutError';
  }
}

export interface RestOptions {
  /** Prefix of every path, such as `/api/v1`. */
  base: string;
  fetch: typeof fetch;
  clock: Clock;
  tokens: TokenStore;
  /** Runs `fn` while no other tab runs it. A refresh token is good for one use; two tabs using the same one would
   * look like a theft to the server. */
  exclusive: <T>(fn: () => Promise<T>) => Promise<T>;
  onSignedOut: () => void;
}

interface RequestOptions {
  body?: unknown;
  /** Default true. */
  auth?: boolean;
}

/** A token that ends within this time counts as ended. */
const EARLY_MS = 30_000;
const LIMIT_RETRIES = 4;
const LIMIT_WAIT_MS = 60_000;
const READ_RETRIES = 2;
/** A request that has no answer by then has failed; a dead network would keep it for minutes. */
const ANSWER_MS = 20_000;

const fieldErrors = (value: unknown, path = '', into: Record<string, string> = {}): Record<string, string> => {
  if (typeof value !== 'object' || value === null) return into;
  for (const [key, inner] of Object.entries(value)) {
    if (key === '_errors' && Array.isArray(inner)) {
      const message = (inner[0] as { message?: unknown } | undefined)?.message;
      if (typeof message === 'string') into[path] = message;
    } else {
      fieldErrors(inner, path === '' ? key : `${path}.${key}`, into);
    }
  }
  return into;
};

const query = (parts: Record<string, string | number | undefined>): string => {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(parts)) if (value !== undefined) params.set(key, String(value));
  const text = params.toString();
  return text === '' ? '' : `?${text}`;
};

/** The typed door to the server. Renews tokens, waits out rate limits, repeats reads that failed on the way. */
export class Rest {
  private refreshing: Promise<Tokens> | null = null;
  /** No request before this moment: the server asked everybody of this account to wait. */
  private holdUntil = 0;

  constructor(private readonly options: RestOptions) {}

  /**
   * An access token that is good for a while.
   * @param stale a token the server has just refused; any other token is taken as newer.
   */
  async token(stale?: string): Promise<string> {
    const held = this.options.tokens.load();
    if (!held) throw new SignedOutError();
    const now = this.options.clock.now();
    if (held.access_token !== stale && held.expires_at - EARLY_MS > now) return held.access_token;
    return (await this.refresh(held)).access_token;
  }

  private refresh(old: Tokens): Promise<Tokens> {
    this.refreshing ??= this.options
      .exclusive(async () => {
        const held = this.options.tokens.load();
        if (!held) throw new SignedOutError();
        /* Another tab may have been first. */
        if (held.refresh_token !== old.refresh_token) return held;
        try {
          const answer = await this.request<AuthAnswer>('POST', '/auth/refresh', {
            body: { refresh_token: held.refresh_token },
            auth: false,
          });
          return this.keep(answer, held.user);
        } catch (error) {
          if (error instanceof RestError && !error.temporary) {
            this.options.tokens.save(null);
            this.options.onSignedOut();
            throw new SignedOutError();
          }
          throw error;
        }
      })
      .finally(() => {
        this.refreshing = null;
      });
    return this.refreshing;
  }

  private keep(answer: AuthAnswer, known?: User): Tokens {
    const user = answer.user ?? known;
    const tokens: Tokens = {
      access_token: answer.access_token,
      refresh_token: answer.refresh_token,
      expires_at: this.options.clock.now() + answer.expires_in * 1000,
      user,
    };
    this.options.tokens.save(tokens);
    return tokens;
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((done) => this.options.clock.after(ms, done));
  }

  /** One request with its repeats. Throws RestError, SignedOutError, or the platform's TypeError when nothing answered. */
  async request<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const auth = options.auth ?? true;
    let limited = 0;
    let failed = 0;
    let refused: string | undefined;
    for (;;) {
      const hold = this.holdUntil - this.options.clock.now();
      if (hold > 0) await this.sleep(hold);
      const headers: Record<string, string> = { Accept: 'application/json' };
      let token: string | undefined;
      if (auth) {
        token = await this.token(refused);
        headers['Authorization'] = `Bearer ${token}`;
      }
      const init: RequestInit = { method, headers, credentials: 'same-origin', cache: 'no-store' };
      const abort = new AbortController();
      init.signal = abort.signal;
      const timer = this.options.clock.after(ANSWER_MS, () => abort.abort());
      if (options.body !== undefined) {
        headers['Content-Type'] = 'application/json';
        init.body = JSON.stringify(options.body);
      }
      let response: Response;
      let answer: unknown = null;
      try {
        response = await this.options.fetch(this.options.base + path, init);
        const text = response.status === 204 ? '' : await response.text();
        try {
          answer = JSON.parse(text);
        } catch {
          /* Not every error has a body of ours: a proxy in between writes its own. */
        }
      } catch (error) {
        if (method !== 'GET' || failed >= READ_RETRIES) throw error;
        await this.sleep(500 * 2 ** failed++);
        continue;
      } finally {
        this.options.clock.cancel(timer);
      }
      if (response.status === 204) return undefined as T;
      if (response.ok) return answer as T;
      const body = (answer ?? {}) as { code?: unknown; message?: unknown; errors?: unknown; retry_after?: unknown; global?: unknown };

      if (response.status === 429 && limited < LIMIT_RETRIES) {
        const seconds = Number(body.retry_after ?? response.headers.get('retry-after') ?? 1);
        const wait = Math.max(50, (Number.isFinite(seconds) ? seconds : 1) * 1000);
        if (wait <= LIMIT_WAIT_MS) {
          limited++;
          if (body.global === true) this.holdUntil = this.options.clock.now() + wait;
          await this.sleep(wait);
          continue;
        }
      }
      if (response.status === 401 && auth && refused === undefined) {
        refused = token;
        continue;
      }
      if (response.status >= 502 && response.status <= 504 && method === 'GET' && failed < READ_RETRIES) {
        await this.sleep(500 * 2 ** failed++);
        continue;
      }
      throw new RestError(
        response.status,
        typeof body.code === 'number' ? body.code : 0,
        typeof body.message === 'string' ? body.message : `The server answered ${response.status}.`,
        fieldErrors(body.errors),
      );
    }
  }

  async register(username: string, password: string, email?: string): Promise<Tokens> {
    const body = email ? { username, password, email } : { username, password };
    return this.keep(await this.request<AuthAnswer>('POST', '/auth/register', { body, auth: false }));
  }

  async login(username: string, password: string): Promise<Tokens> {
    return this.keep(await this.request<AuthAnswer>('POST', '/auth/login', { body: { username, password }, auth: false }));
  }

  /** Ends the session here even when the server cannot be told. */
  async logout(): Promise<void> {
    const held = this.options.tokens.load();
    if (!held) return;
    try {
      await Promise.race([
        this.request('POST', '/auth/logout', { body: { refresh_token: held.refresh_token } }),
        this.sleep(3000),
      ]);
    } catch {
      /* The tokens are forgotten below all the same. */
    }
    this.options.tokens.save(null);
  }

  readonly me = (): Promise<User> => this.request('GET', '/users/@me');
  readonly editMe = (change: { global_name?: string | null }): Promise<User> =>
    this.request('PATCH', '/users/@me', { body: change });
  readonly sessions = (): Promise<AuthSession[]> => this.request('GET', '/auth/sessions');
  readonly endSession = (id: Id): Promise<void> => this.request('DELETE', `/auth/sessions/${id}`);

  readonly createGuild = (name: string): Promise<Guild> => this.request('POST', '/guilds', { body: { name } });
  readonly guild = (id: Id): Promise<Guild> => this.request('GET', `/guilds/${id}`);
  readonly deleteGuild = (id: Id): Promise<void> => this.request('DELETE', `/guilds/${id}`);
  readonly leaveGuild = (id: Id): Promise<void> => this.request('DELETE', `/users/@me/guilds/${id}`);
  readonly channels = (guild: Id): Promise<Channel[]> => this.request('GET', `/guilds/${guild}/channels`);
  readonly createChannel = (guild: Id, name: string): Promise<Channel> =>
    this.request('POST', `/guilds/${guild}/channels`, { body: { name, type: 0 } });
  readonly editChannel = (id: Id, change: { name?: string; topic?: string | null }): Promise<Channel> =>
    this.request('PATCH', `/channels/${id}`, { body: change });
  readonly deleteChannel = (id: Id): Promise<void> => this.request('DELETE', `/channels/${id}`);
  readonly members = (guild: Id, limit: number, after?: Id): Promise<Member[]> =>
    this.request('GET', `/guilds/${guild}/members${query({ limit, after })}`);

  readonly createInvite = (channel: Id, options: { max_age?: number; max_uses?: number } = {}): Promise<Invite> =>
    this.request('POST', `/channels/${channel}/invites`, { body: options });
  readonly invite = (code: string): Promise<Invite> =>
    this.request('GET', `/invites/${encodeURIComponent(code)}`, { auth: this.options.tokens.load() !== null });
  readonly join = (code: string): Promise<Invite> =>
    this.request('POST', `/invites/${encodeURIComponent(code)}`, { body: {} });

  readonly messages = (channel: Id, where: { before?: Id; after?: Id; around?: Id; limit: number }): Promise<Message[]> =>
    this.request('GET', `/channels/${channel}/messages${query(where)}`);
  readonly messagesAfterSeq = (channel: Id, seq: number, limit: number): Promise<SeqItem[]> =>
    this.request('GET', `/channels/${channel}/messages${query({ after_seq: seq, limit })}`);
  readonly sendMessage = (channel: Id, content: string, nonce: string): Promise<Message> =>
    this.request('POST', `/channels/${channel}/messages`, { body: { content, nonce, enforce_nonce: true } });
  readonly editMessage = (channel: Id, id: Id, content: string): Promise<Message> =>
    this.request('PATCH', `/channels/${channel}/messages/${id}`, { body: { content } });
  readonly deleteMessage = (channel: Id, id: Id): Promise<void> =>
    this.request('DELETE', `/channels/${channel}/messages/${id}`);
  readonly typing = (channel: Id): Promise<void> => this.request('POST', `/channels/${channel}/typing`);
  readonly read = (channel: Id, message_id: Id): Promise<void> =>
    this.request('PUT', `/channels/${channel}/read`, { body: { message_id } });
}
