import type { Clock } from '../src/lib/clock';
import type { SocketLike } from '../src/net/gateway';
import type { Message } from '../src/net/types';

/** A clock whose hands the test turns. */
export class FakeClock implements Clock {
  time = 1_700_000_000_000;
  chance = 0.5;
  private next = 1;
  private readonly timers = new Map<number, { at: number; fn: () => void }>();

  now = (): number => this.time;
  random = (): number => this.chance;
  after = (ms: number, fn: () => void): number => {
    this.timers.set(this.next, { at: this.time + ms, fn });
    return this.next++;
  };
  cancel = (timer: number): void => {
    this.timers.delete(timer);
  };
  get pending(): number {
    return this.timers.size;
  }

  /** Lets time pass, running what falls due in its order, and what that leaves to do. */
  async pass(ms: number): Promise<void> {
    const end = this.time + ms;
    await settle();
    for (;;) {
      const due = [...this.timers].filter(([, t]) => t.at <= end).sort((a, b) => a[1].at - b[1].at || a[0] - b[0])[0];
      if (!due) break;
      this.timers.delete(due[0]);
      this.time = Math.max(this.time, due[1].at);
      due[1].fn();
      await settle();
    }
    this.time = end;
  }
}

/** Lets promises that are due run. */
export const settle = async (): Promise<void> => {
  for (let i = 0; i < 12; i++) await Promise.resolve();
};

interface Sent {
  op: number;
  d: Record<string, unknown> | number | null;
}

/** A socket whose other end is the test. */
export class FakeSocket implements SocketLike {
  onopen: SocketLike['onopen'] = null;
  onmessage: SocketLike['onmessage'] = null;
  onclose: SocketLike['onclose'] = null;
  onerror: SocketLike['onerror'] = null;
  readonly sent: Sent[] = [];
  closedWith: number | undefined;

  constructor(readonly url: string) {}

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Sent);
  }
  close(code?: number): void {
    this.closedWith ??= code ?? 1005;
  }
  /** What was sent with an op. */
  ops(op: number): Sent[] {
    return this.sent.filter((s) => s.op === op);
  }
  open(): void {
    this.onopen?.({} as never);
  }
  say(payload: unknown): void {
    this.onmessage?.({ data: JSON.stringify(payload) });
  }
  hello(interval = 30_000): void {
    this.open();
    this.say({ op: 10, d: { heartbeat_interval: interval } });
  }
  dispatch(t: string, s: number, d: unknown = {}): void {
    this.say({ op: 0, t, s, d });
  }
  end(code: number, reason = ''): void {
    this.onclose?.({ code, reason });
  }
}

export const message = (id: number, change: Partial<Message> = {}): Message => ({
  id: String(id),
  channel_id: 'c1',
  author: { id: 'u2', username: 'other' },
  content: `text ${id}`,
  timestamp: new Date(1_700_000_000_000 + id).toISOString(),
  edited_timestamp: null,
  seq: id,
  ...change,
});
