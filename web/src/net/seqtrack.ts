import type { Clock } from '../lib/clock';
import type { Id, SeqItem } from './types';

export interface SeqTrackerOptions {
  clock: Clock;
  /** Items with a seq above `seq`, in rising order, at most `limit`. */
  fetchAfter: (channel: Id, seq: number, limit: number) => Promise<SeqItem[]>;
  /** Found items, to be put where live ones go. */
  apply: (channel: Id, items: SeqItem[]) => void;
  /** The gap is too wide to be filled piece by piece: what is shown must be loaded anew. */
  reset: (channel: Id) => void;
  /** True for errors that asking again does not cure. */
  isFinal: (error: unknown) => boolean;
}

export type Observation = 'first' | 'next' | 'duplicate' | 'gap';

interface Track {
  /** Everything up to here has been seen. */
  have: number;
  /** The highest number known to exist. */
  known: number;
  /** Everything from here to `known` has been heard live; above `known` when nothing was. */
  liveFrom: number;
  filling: boolean;
}

const PAGE = 100;
const MOST_PAGES = 5;
const RETRY_MS = 1000;
const RETRY_LAST_MS = 30_000;

/**
 * Watches each channel's own numbering, finds what is missing and has it fetched. A channel's messages are numbered
 * without gaps, so that a number that is skipped is a message that was not heard.
 */
export class SeqTracker {
  private readonly tracks = new Map<Id, Track>();
  /** Answers that arrive after clear belong to nobody. */
  private era = 0;

  constructor(private readonly options: SeqTrackerOptions) {}

  clear(): void {
    this.tracks.clear();
    this.era++;
  }

  forget(channel: Id): void {
    this.tracks.delete(channel);
  }

  /** The number up to which everything was seen; undefined for a channel never heard of. */
  have(channel: Id): number | undefined {
    return this.tracks.get(channel)?.have;
  }

  /** From here on everything is heard; what came before is loaded as history when somebody looks. */
  baseline(channel: Id, seq: number): void {
    const track = this.tracks.get(channel);
    if (!track) {
      this.tracks.set(channel, { have: seq, known: seq, liveFrom: seq + 1, filling: false });
      return;
    }
    track.have = Math.max(track.have, seq);
    if (track.have > track.known) {
      track.known = track.have;
      track.liveFrom = track.known + 1;
    }
  }

  /** The channel is known to reach at least `seq`: fetches what is missing. */
  reach(channel: Id, seq: number): void {
    const track = this.tracks.get(channel);
    if (!track) {
      this.baseline(channel, seq);
      return;
    }
    if (seq > track.known) {
      track.known = seq;
      track.liveFrom = seq + 1;
    }
    if (track.known > track.have) this.fill(channel, track);
  }

  /** A new message was heard. */
  observe(channel: Id, seq: number): Observation {
    const track = this.tracks.get(channel);
    if (!track) {
      this.baseline(channel, seq);
      return 'first';
    }
    if (seq <= track.have) return 'duplicate';
    if (seq === track.have + 1 && track.have === track.known) {
      track.have = track.known = seq;
      track.liveFrom = seq + 1;
      return 'next';
    }
    if (seq > track.known) {
      if (seq !== track.known + 1) track.liveFrom = seq;
      track.known = seq;
    }
    this.fill(channel, track);
    return 'gap';
  }

  private fill(channel: Id, track: Track): void {
    if (track.filling) return;
    track.filling = true;
    void this.run(channel, track, this.era);
  }

  private async run(channel: Id, track: Track, era: number): Promise<void> {
    let pages = 0;
    let failures = 0;
    const gone = (): boolean => era !== this.era || this.tracks.get(channel) !== track;
    while (track.have < track.known) {
      if (pages >= MOST_PAGES) {
        track.have = track.known;
        this.options.reset(channel);
        break;
      }
      let items: SeqItem[];
      try {
        items = await this.options.fetchAfter(channel, track.have, PAGE);
      } catch (error) {
        if (gone()) return;
        if (this.options.isFinal(error)) {
          track.have = track.known;
          break;
        }
        const wait = Math.min(RETRY_LAST_MS, RETRY_MS * 2 ** failures++);
        await new Promise<void>((done) => this.options.clock.after(wait, done));
        if (gone()) return;
        continue;
      }
      if (gone()) return;
      pages++;
      const top = items.reduce((most, item) => Math.max(most, item.seq ?? 0), track.have);
      if (top + 1 >= track.liveFrom) track.have = Math.max(top, track.known);
      /* The server has nothing more to show; waiting for a number it keeps to itself would never end. */
      else if (top <= track.have) track.have = track.known;
      else track.have = top;
      track.known = Math.max(track.known, track.have);
      if (items.length > 0) this.options.apply(channel, items);
    }
    track.filling = false;
    track.liveFrom = track.known + 1;
  }
}
