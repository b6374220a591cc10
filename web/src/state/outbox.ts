import type { Clock } from '../lib/clock';
import { compareIds, makeNonce } from '../lib/snowflake';
import type { Id, Message } from '../net/types';
import type { OutboxEntry } from './model';

/** Where waiting messages survive a reload: one key each, so that two tabs do not overwrite one another's. */
export interface OutboxStorage {
  load(): OutboxEntry[];
  put(entry: OutboxEntry): void;
  remove(nonce: string): void;
}

/** What became of a message that was sent by REST. */
export type Outcome =
  | { kind: 'sent'; message: Message }
  | { kind: 'refused'; reason: string }
  /** Nobody knows whether it arrived; the same nonce may be sent again. */
  | { kind: 'unknown'; waitMs?: number };

export interface OutboxOptions {
  clock: Clock;
  storage: OutboxStorage;
  /** Sends by the gateway; false when it is not ready. */
  sendLive: (entry: OutboxEntry) => boolean;
  sendRest: (entry: OutboxEntry) => Promise<Outcome>;
  /** A live message had no answer for a while; the connection may be dead. */
  onSilence: () => void;
  onChange: (entries: OutboxEntry[]) => void;
  /** The server has stored it. */
  onSent: (entry: OutboxEntry, id: Id, seq: number | undefined, message: Message | undefined) => void;
}

interface Flight {
  way: 'live' | 'rest';
  timer: number;
  /** Tells a late answer of an earlier flight from this one's. */
  number: number;
}

/** How long the gateway may take to answer before it is asked for a sign of life, and before REST is tried. */
const ANSWER_MS = 6_000;
/** How long the gateway may be away before REST is tried. */
const GRACE_MS = 4_000;
const RETRY_MS = 1_000;
const RETRY_LAST_MS = 30_000;
const BUSY_RETRIES = 6;
/** The server's limit is 120 events a minute; heartbeats and the rest need room too. */
const WINDOW_MS = 60_000;
const WINDOW_SENDS = 100;

/** Codes of a refusal that passes by itself: overloaded, draining, slow mode. */
const PASSING = new Set([130000, 900001, 20016, 20028, 31001]);

/**
 * Messages on their way. A message enters once and keeps its nonce through every attempt, so that the server stores it
 * once however often it is sent. In each channel one is on its way at a time, in the order they were written.
 */
export class Outbox {
  private entries: OutboxEntry[];
  private readonly flights = new Map<string, Flight>();
  private readonly tries = new Map<string, number>();
  /** By channel: nothing is sent before this moment. */
  private readonly holds = new Map<Id, number>();
  private sends: number[] = [];
  private live = false;
  private awaySince: number;
  private timer = 0;
  private timerAt = 0;
  private flightNumber = 0;
  private closed = false;

  constructor(private readonly options: OutboxOptions) {
    this.awaySince = options.clock.now();
    this.entries = options.storage
      .load()
      .map((e) => (e.state === 'sending' ? { ...e, state: 'queued' as const } : e))
      .sort((a, b) => compareIds(a.nonce, b.nonce));
  }

  get list(): OutboxEntry[] {
    return this.entries;
  }

  /** Ends all work. What waits stays in the storage. */
  close(): void {
    this.closed = true;
    if (this.timer) this.options.clock.cancel(this.timer);
    for (const flight of this.flights.values()) this.options.clock.cancel(flight.timer);
    this.flights.clear();
  }

  /** Forgets everything, also what is stored. */
  clear(): void {
    this.close();
    for (const entry of this.entries) this.options.storage.remove(entry.nonce);
    this.entries = [];
    this.options.onChange(this.entries);
  }

  /** Takes a message in and sends it as soon as it can be. */
  add(channel: Id, content: string): OutboxEntry {
    const { clock } = this.options;
    let nonce = makeNonce(clock.now(), clock.random);
    const last = this.entries[this.entries.length - 1];
    /* Two messages of one millisecond keep their order. */
    if (last && compareIds(nonce, last.nonce) <= 0) nonce = (BigInt(last.nonce) + 1n).toString();
    const entry: OutboxEntry = { nonce, channel_id: channel, content, created: clock.now(), state: 'queued' };
    this.entries = [...this.entries, entry];
    this.options.storage.put(entry);
    this.options.onChange(this.entries);
    this.pump();
    return entry;
  }

  /** Sends a failed message again, under the same nonce. */
  retry(nonce: string): void {
    const entry = this.find(nonce);
    if (!entry || entry.state !== 'failed') return;
    this.tries.delete(nonce);
    const { error: _, ...rest } = entry;
    this.change({ ...rest, state: 'queued' });
    this.pump();
  }

  /** Gives a message up. */
  discard(nonce: string): void {
    this.remove(nonce);
    this.pump();
  }

  /** The gateway became ready, or went away. */
  setLive(live: boolean): void {
    if (live === this.live) return;
    this.live = live;
    if (!live) {
      this.awaySince = this.options.clock.now();
      for (const [nonce, flight] of [...this.flights]) if (flight.way === 'live') this.land(nonce);
    } else {
      /* A request on a network that has just come back may hang; the nonce makes sending twice harmless. */
      for (const nonce of [...this.flights.keys()]) this.land(nonce);
      this.holds.clear();
    }
    this.pump();
  }

  /** The server stored a message: NEXUS_MESSAGE_ACK, or MESSAGE_CREATE of our own. */
  acknowledge(nonce: string, id: Id, seq: number | undefined, message?: Message): void {
    const entry = this.find(nonce);
    if (!entry) return;
    this.remove(nonce);
    this.options.onSent(entry, id, seq, message);
    this.pump();
  }

  /** The server refused a message: NEXUS_MESSAGE_REFUSED. */
  refuse(nonce: string, code: number, reason: string, waitMs?: number): void {
    const entry = this.find(nonce);
    if (!entry || entry.state === 'failed') return;
    const tries = (this.tries.get(nonce) ?? 0) + 1;
    if ((waitMs !== undefined || PASSING.has(code)) && tries <= BUSY_RETRIES) {
      this.tries.set(nonce, tries);
      this.land(nonce);
      this.hold(entry.channel_id, waitMs ?? this.backoff(tries));
      this.pump();
      return;
    }
    this.fail(entry, reason);
  }

  private find(nonce: string): OutboxEntry | undefined {
    return this.entries.find((e) => e.nonce === nonce);
  }

  private change(entry: OutboxEntry): void {
    this.entries = this.entries.map((e) => (e.nonce === entry.nonce ? entry : e));
    this.options.storage.put(entry);
    this.options.onChange(this.entries);
  }

  private remove(nonce: string): void {
    const flight = this.flights.get(nonce);
    if (flight) this.options.clock.cancel(flight.timer);
    this.flights.delete(nonce);
    this.tries.delete(nonce);
    this.options.storage.remove(nonce);
    if (!this.find(nonce)) return;
    this.entries = this.entries.filter((e) => e.nonce !== nonce);
    this.options.onChange(this.entries);
  }

  private fail(entry: OutboxEntry, reason: string): void {
    this.land(entry.nonce);
    this.tries.delete(entry.nonce);
    this.change({ ...entry, state: 'failed', error: reason });
    this.pump();
  }

  /* Takes a message back from the way it was on. */
  private land(nonce: string): void {
    const flight = this.flights.get(nonce);
    if (flight) this.options.clock.cancel(flight.timer);
    this.flights.delete(nonce);
    const entry = this.find(nonce);
    if (entry?.state === 'sending') this.change({ ...entry, state: 'queued' });
  }

  private hold(channel: Id, ms: number): void {
    this.holds.set(channel, this.options.clock.now() + ms);
  }

  private backoff(tries: number): number {
    const ceiling = Math.min(RETRY_LAST_MS, RETRY_MS * 2 ** (tries - 1));
    return ceiling * (0.5 + 0.5 * this.options.clock.random());
  }

  private wake(at: number): void {
    const { clock } = this.options;
    if (this.timer && this.timerAt <= at) return;
    if (this.timer) clock.cancel(this.timer);
    this.timerAt = at;
    this.timer = clock.after(Math.max(1, at - clock.now()), () => {
      this.timer = 0;
      this.pump();
    });
  }

  /* Starts whatever may start now and plans a look for the moment when something else may. */
  private pump(): void {
    if (this.closed) return;
    const now = this.options.clock.now();
    this.sends = this.sends.filter((at) => at > now - WINDOW_MS);
    const busy = new Set<Id>();
    for (const entry of this.entries) {
      if (entry.state === 'failed' || busy.has(entry.channel_id)) continue;
      busy.add(entry.channel_id);
      if (this.flights.has(entry.nonce)) continue;
      const hold = this.holds.get(entry.channel_id) ?? 0;
      if (hold > now) {
        this.wake(hold);
        continue;
      }
      if (this.sends.length >= WINDOW_SENDS) {
        this.wake(this.sends[0]! + WINDOW_MS + 1);
        return;
      }
      if (this.live) this.launchLive(entry);
      else if (now - this.awaySince >= GRACE_MS) this.launchRest(entry);
      else this.wake(this.awaySince + GRACE_MS);
    }
  }

  private launchLive(entry: OutboxEntry): void {
    if (!this.options.sendLive(entry)) {
      this.launchRest(entry);
      return;
    }
    const { clock } = this.options;
    this.sends.push(clock.now());
    const number = ++this.flightNumber;
    const timer = clock.after(ANSWER_MS, () => {
      if (this.flights.get(entry.nonce)?.number !== number) return;
      this.options.onSilence();
      this.land(entry.nonce);
      const still = this.find(entry.nonce);
      if (still) this.launchRest(still);
    });
    this.flights.set(entry.nonce, { way: 'live', timer, number });
    this.change({ ...entry, state: 'sending' });
  }

  private launchRest(entry: OutboxEntry): void {
    const number = ++this.flightNumber;
    this.sends.push(this.options.clock.now());
    this.flights.set(entry.nonce, { way: 'rest', timer: 0, number });
    this.change({ ...entry, state: 'sending' });
    void this.options.sendRest(entry).then((outcome) => {
      if (this.closed || this.flights.get(entry.nonce)?.number !== number) return;
      if (outcome.kind === 'sent') {
        this.acknowledge(entry.nonce, outcome.message.id, outcome.message.seq, outcome.message);
        return;
      }
      if (outcome.kind === 'refused') {
        this.fail(entry, outcome.reason);
        return;
      }
      const tries = (this.tries.get(entry.nonce) ?? 0) + 1;
      this.tries.set(entry.nonce, tries);
      this.land(entry.nonce);
      this.hold(entry.channel_id, outcome.waitMs ?? this.backoff(tries));
      this.pump();
    });
  }
}
