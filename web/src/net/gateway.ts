import type { Clock } from '../lib/clock';
import type { Ready } from './types';

/** What the gateway needs of a WebSocket; a browser's fits as it is. */
export interface SocketLike {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  onerror: ((event: never) => void) | null;
  send(text: string): void;
  close(code?: number, reason?: string): void;
}

export const Op = {
  dispatch: 0,
  heartbeat: 1,
  identify: 2,
  resume: 6,
  reconnect: 7,
  invalidSession: 9,
  hello: 10,
  heartbeatAck: 11,
  subscribe: 64,
  sendMessage: 67,
} as const;

/** Where the connection is. `waiting` = until the next attempt; `stopped` = until somebody calls connect. */
export type Phase = 'stopped' | 'waiting' | 'opening' | 'greeting' | 'identifying' | 'resuming' | 'ready';

/** Why the gateway stopped by itself. */
export type StopReason = 'signed-out' | 'replaced' | 'disabled' | 'refused';

export interface GatewayStatus {
  phase: Phase;
  /** Attempts that failed since it last was ready. */
  failures: number;
  /** It has been ready at least once since connect. */
  wasReady: boolean;
  stopReason: StopReason | null;
  /** When the next attempt is made, in ms of the clock; 0 when none is planned. */
  retryAt: number;
}

export interface GatewayOptions {
  /** Address of the first connection, without query. */
  url: string;
  open: (url: string) => SocketLike;
  clock: Clock;
  /** A valid access token. `refused` is the token the server has just turned down. Throws when there is none to be had
   * now; `isFinal` tells whether there never will be. */
  token: (refused?: string) => Promise<string>;
  isFinal: (error: unknown) => boolean;
  intents: number;
  onDispatch: (type: string, data: unknown, seq: number) => void;
  onStatus: (status: GatewayStatus) => void;
}

interface Payload {
  op: number;
  d?: unknown;
  s?: number | null;
  t?: string | null;
}

interface Session {
  id: string;
  url: string | null;
}

const FIRST_DELAY_MS = 500;
const LAST_DELAY_MS = 20_000;
/** From opening a socket until READY or RESUMED. */
const HANDSHAKE_MS = 20_000;
/** How long an answer to a probe may take. */
const PROBE_MS = 4_000;
const INVALID_RESUMES = 2;

const Close = {
  own: 4000,
  authFailed: 4004,
  draining: 4100,
  replaced: 4102,
  disabled: 4103,
} as const;

/* After these the session is gone and only identifying helps. */
const FORGET = new Set([1000, 4003, 4007, 4009, 4104]);
/* After these nothing helps: the client itself is wrong (shard, version, intents). */
const FATAL = new Set([4010, 4011, 4012, 4013, 4014]);

/**
 * The gateway's connection as a state machine. Knows no page and no React: the socket factory and the clock are handed
 * in. It keeps one connection alive, answers heartbeats, resumes what can be resumed, identifies when it cannot, and
 * hands every dispatch on in order.
 */
export class Gateway {
  private phase: Phase = 'stopped';
  private stopReason: StopReason | null = null;
  private failures = 0;
  private wasReady = false;
  private retryAt = 0;

  private socket: SocketLike | null = null;
  /** Number of the current attempt; whatever an older attempt still says is not heard. */
  private attempt = 0;
  private session: Session | null = null;
  private seq = 0;
  private usedToken: string | undefined;
  private refusedToken: string | undefined;
  private invalidResumes = 0;
  /** Where a draining node sent us; used once. */
  private detour: string | null = null;

  private interval = 0;
  private acked = true;
  private beatTimer = 0;
  private probeTimer = 0;
  private retryTimer = 0;
  private handshakeTimer = 0;
  private pauseTimer = 0;

  constructor(private readonly options: GatewayOptions) {}

  get status(): GatewayStatus {
    return {
      phase: this.phase,
      failures: this.failures,
      wasReady: this.wasReady,
      stopReason: this.stopReason,
      retryAt: this.retryAt,
    };
  }

  get ready(): boolean {
    return this.phase === 'ready';
  }

  /** Starts, or starts over after a stop. */
  connect(): void {
    if (this.phase !== 'stopped') return;
    this.failures = 0;
    this.wasReady = false;
    this.stopReason = null;
    this.refusedToken = undefined;
    void this.begin();
  }

  /** Ends the session and stays away. */
  disconnect(): void {
    this.drop(1000);
    this.session = null;
    this.seq = 0;
    this.set('stopped');
  }

  /** Ends a wait at once; also starts over after the server replaced this connection by another. */
  retryNow(): void {
    if (this.phase === 'waiting') void this.begin();
    else if (this.phase === 'stopped' && this.stopReason !== null) this.connect();
  }

  /** Asks the server for a sign of life; without one in a few seconds the connection counts as dead. */
  probe(): void {
    if (this.phase !== 'ready' || this.probeTimer !== 0) return;
    this.beat();
    this.probeTimer = this.options.clock.after(PROBE_MS, () => {
      this.probeTimer = 0;
      this.lose();
    });
  }

  /** Sends a payload. False when there is no ready connection; then nothing was sent. */
  send(op: number, d: unknown): boolean {
    if (this.phase !== 'ready' || !this.socket) return false;
    return this.write(op, d);
  }

  private write(op: number, d: unknown): boolean {
    try {
      this.socket?.send(JSON.stringify({ op, d }));
      return this.socket !== null;
    } catch {
      return false;
    }
  }

  private set(phase: Phase): void {
    this.phase = phase;
    if (phase !== 'waiting') this.retryAt = 0;
    this.options.onStatus(this.status);
  }

  private clearTimer(name: 'beatTimer' | 'probeTimer' | 'retryTimer' | 'handshakeTimer' | 'pauseTimer'): void {
    if (this[name] !== 0) this.options.clock.cancel(this[name]);
    this[name] = 0;
  }

  /* Lets go of the socket without waiting for it: on a dead network a closing handshake takes minutes. */
  private drop(code: number): void {
    this.attempt++;
    for (const name of ['beatTimer', 'probeTimer', 'retryTimer', 'handshakeTimer', 'pauseTimer'] as const) this.clearTimer(name);
    const socket = this.socket;
    this.socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
    try {
      socket.close(code);
    } catch {
      /* It was closed already. */
    }
  }

  /* A connection that does not answer. The session outlives it. */
  private lose(): void {
    this.drop(Close.own);
    this.later(0);
  }

  private stop(reason: StopReason): void {
    this.drop(Close.own);
    this.session = null;
    this.stopReason = reason;
    this.set('stopped');
  }

  private later(least: number): void {
    const { clock } = this.options;
    const ceiling = Math.min(LAST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(this.failures, 10));
    /* The first attempt after a healthy connection is made soon: half a second at most. */
    const delay = Math.max(least, ceiling * (0.3 + 0.7 * clock.random()));
    this.failures++;
    this.retryAt = clock.now() + delay;
    this.retryTimer = clock.after(delay, () => {
      this.retryTimer = 0;
      void this.begin();
    });
    this.set('waiting');
  }

  private address(): string {
    let base = this.options.url;
    const other = this.detour ?? (this.failures <= 1 ? this.session?.url : null);
    this.detour = null;
    /* Never from an encrypted page's socket to an unencrypted one, wherever the server points. */
    if (other && /^wss?:\/\//.test(other) && (other.startsWith('wss:') || base.startsWith('ws:'))) base = other;
    const url = new URL(base);
    if (url.pathname === '/') url.pathname = '/gateway';
    url.search = '?v=1&encoding=json';
    return url.href;
  }

  private async begin(): Promise<void> {
    this.drop(Close.own);
    const attempt = this.attempt;
    this.set('opening');
    /* A session that can be resumed accepts its expired token, but a fresh one also survives "identify again". */
    let token: string;
    try {
      token = await this.options.token(this.refusedToken);
    } catch (error) {
      if (attempt !== this.attempt) return;
      if (this.options.isFinal(error)) this.stop('signed-out');
      else this.later(0);
      return;
    }
    if (attempt !== this.attempt) return;
    this.usedToken = token;
    let socket: SocketLike;
    try {
      socket = this.options.open(this.address());
    } catch {
      this.later(1000);
      return;
    }
    this.socket = socket;
    this.handshakeTimer = this.options.clock.after(HANDSHAKE_MS, () => {
      this.handshakeTimer = 0;
      this.lose();
    });
    socket.onopen = () => {
      if (attempt === this.attempt) this.set('greeting');
    };
    socket.onmessage = (event) => {
      if (attempt === this.attempt && typeof event.data === 'string') this.receive(event.data);
    };
    socket.onclose = (event) => {
      if (attempt === this.attempt) this.closed(event.code, event.reason);
    };
    socket.onerror = null;
  }

  private receive(text: string): void {
    let payload: Payload;
    try {
      payload = JSON.parse(text) as Payload;
    } catch {
      return;
    }
    switch (payload.op) {
      case Op.hello:
        this.hello((payload.d as { heartbeat_interval?: number } | undefined)?.heartbeat_interval ?? 30_000);
        break;
      case Op.heartbeat:
        this.beat();
        break;
      case Op.heartbeatAck:
        this.acked = true;
        this.clearTimer('probeTimer');
        break;
      case Op.reconnect:
        this.drop(Close.own);
        this.failures = 0;
        this.later(0);
        break;
      case Op.invalidSession:
        this.invalid(payload.d === true);
        break;
      case Op.dispatch:
        this.dispatch(payload);
        break;
    }
  }

  private hello(interval: number): void {
    const { clock } = this.options;
    this.interval = Math.max(1000, interval);
    this.acked = true;
    this.clearTimer('beatTimer');
    this.beatTimer = clock.after(this.interval * clock.random(), () => this.tick());
    this.introduce();
  }

  private introduce(): void {
    if (this.session) {
      this.set('resuming');
      this.write(Op.resume, { token: this.usedToken, session_id: this.session.id, seq: this.seq });
      return;
    }
    this.seq = 0;
    this.set('identifying');
    this.write(Op.identify, {
      token: this.usedToken,
      intents: this.options.intents,
      properties: { os: '', browser: 'nexus-web', device: '' },
      capabilities: ['resync'],
      presence: { status: 'online', since: null, activities: [], afk: false },
    });
  }

  private beat(): void {
    this.write(Op.heartbeat, this.seq === 0 ? null : this.seq);
  }

  private tick(): void {
    this.beatTimer = 0;
    if (!this.acked) {
      this.lose();
      return;
    }
    this.acked = false;
    this.beat();
    this.beatTimer = this.options.clock.after(this.interval, () => this.tick());
  }

  /* Everybody whose session ended at the same moment must not come back at the same moment. */
  private invalid(resumable: boolean): void {
    const { clock } = this.options;
    if (!resumable || ++this.invalidResumes > INVALID_RESUMES) {
      this.session = null;
      this.invalidResumes = 0;
    }
    this.clearTimer('pauseTimer');
    this.pauseTimer = clock.after(300 + 1700 * clock.random(), () => {
      this.pauseTimer = 0;
      this.introduce();
    });
    this.set(this.session ? 'resuming' : 'identifying');
  }

  private dispatch(payload: Payload): void {
    const type = payload.t ?? '';
    if (typeof payload.s === 'number') this.seq = payload.s;
    if (type === 'READY') {
      const ready = payload.d as Ready;
      this.session = { id: ready.session_id, url: ready.resume_gateway_url ?? null };
    }
    if (type === 'READY' || type === 'RESUMED') {
      this.clearTimer('handshakeTimer');
      this.failures = 0;
      this.invalidResumes = 0;
      this.refusedToken = undefined;
      this.wasReady = true;
    }
    /* Whoever hears READY or RESUMED finds the connection able to send. */
    if (type === 'READY' || type === 'RESUMED') this.set('ready');
    this.options.onDispatch(type, payload.d, this.seq);
  }

  private closed(code: number, reason: string): void {
    this.drop(Close.own);
    if (code === Close.replaced) return this.stop('replaced');
    if (code === Close.disabled) return this.stop('disabled');
    if (FATAL.has(code)) return this.stop('refused');
    if (FORGET.has(code)) this.session = null;
    if (code === Close.authFailed) {
      if (this.refusedToken !== undefined) return this.stop('signed-out');
      this.refusedToken = this.usedToken;
      this.failures = 0;
      this.later(0);
      return;
    }
    if (code === Close.draining) {
      if (/^wss?:\/\//.test(reason)) this.detour = reason;
      this.failures = 0;
    }
    this.later(code === 4008 ? 5000 : 0);
  }
}
