import { beforeEach, describe, expect, it } from 'vitest';
import { SeqTracker } from '../src/net/seqtrack';
import type { SeqItem } from '../src/net/types';
import { FakeClock, message, settle } from './fake';

let clock: FakeClock;
let asked: { seq: number; answer: (items: SeqItem[]) => void; fail: (error: unknown) => void }[];
let applied: number[];
let resets: string[];
let seqs: SeqTracker;

class Final extends Error {}

beforeEach(() => {
  clock = new FakeClock();
  asked = [];
  applied = [];
  resets = [];
  seqs = new SeqTracker({
    clock,
    fetchAfter: (_channel, seq) => new Promise((answer, fail) => asked.push({ seq, answer, fail })),
    apply: (_channel, items) => applied.push(...items.map((i) => i.seq!)),
    reset: (channel) => resets.push(channel),
    isFinal: (error) => error instanceof Final,
  });
});

const range = (from: number, to: number): SeqItem[] => Array.from({ length: to - from + 1 }, (_, i) => message(from + i));

describe('gaps', () => {
  it('asks for nothing while numbers follow one another', () => {
    seqs.baseline('c1', 10);
    expect(seqs.observe('c1', 11)).toBe('next');
    expect(seqs.observe('c1', 12)).toBe('next');
    expect(seqs.observe('c1', 12)).toBe('duplicate');
    expect(seqs.observe('c1', 3)).toBe('duplicate');
    expect(asked).toHaveLength(0);
  });

  it('starts where it first hears of a channel', () => {
    expect(seqs.observe('c1', 500)).toBe('first');
    expect(seqs.have('c1')).toBe(500);
    expect(asked).toHaveLength(0);
  });

  it('fetches what was skipped, once', async () => {
    seqs.baseline('c1', 10);
    expect(seqs.observe('c1', 14)).toBe('gap');
    expect(seqs.observe('c1', 15)).toBe('gap');
    expect(asked.map((a) => a.seq)).toEqual([10]);
    asked[0]!.answer(range(11, 15));
    await settle();
    expect(applied).toEqual([11, 12, 13, 14, 15]);
    expect(seqs.have('c1')).toBe(15);
    expect(seqs.observe('c1', 16)).toBe('next');
    expect(asked).toHaveLength(1);
  });

  it('does not ask again for what was heard live while it asked', async () => {
    seqs.baseline('c1', 10);
    seqs.observe('c1', 13);
    seqs.observe('c1', 14);
    asked[0]!.answer(range(11, 13));
    await settle();
    expect(seqs.have('c1')).toBe(14);
    expect(asked).toHaveLength(1);
  });

  it('asks again when another hole opened while it asked', async () => {
    seqs.baseline('c1', 10);
    seqs.observe('c1', 13);
    seqs.observe('c1', 16);
    asked[0]!.answer(range(11, 13));
    await settle();
    expect(asked.map((a) => a.seq)).toEqual([10, 13]);
    asked[1]!.answer(range(14, 16));
    await settle();
    expect(seqs.have('c1')).toBe(16);
  });

  it('counts tombstones as heard', async () => {
    seqs.baseline('c1', 1);
    seqs.observe('c1', 4);
    asked[0]!.answer([{ id: '2', seq: 2, deleted: true }, { id: '3', seq: 3, deleted: true }, message(4)]);
    await settle();
    expect(seqs.have('c1')).toBe(4);
  });

  it('keeps channels apart', () => {
    seqs.baseline('c1', 10);
    seqs.baseline('c2', 20);
    expect(seqs.observe('c2', 21)).toBe('next');
    expect(seqs.observe('c1', 12)).toBe('gap');
  });
});

describe('resync', () => {
  it('fetches up to the number it is told', async () => {
    seqs.baseline('c1', 10);
    seqs.reach('c1', 10);
    expect(asked).toHaveLength(0);
    seqs.reach('c1', 12);
    asked[0]!.answer(range(11, 12));
    await settle();
    expect(applied).toEqual([11, 12]);
    expect(seqs.have('c1')).toBe(12);
  });

  it('live messages after the told number close the gap together with the answer', async () => {
    seqs.baseline('c1', 10);
    seqs.reach('c1', 12);
    seqs.observe('c1', 13);
    asked[0]!.answer(range(11, 12));
    await settle();
    expect(seqs.have('c1')).toBe(13);
    expect(asked).toHaveLength(1);
  });

  it('takes page after page, and loads anew when the gap is too wide', async () => {
    seqs.baseline('c1', 0);
    seqs.reach('c1', 250);
    for (let page = 0; page < 3; page++) {
      asked[page]!.answer(range(page * 100 + 1, Math.min(250, page * 100 + 100)));
      await settle();
    }
    expect(seqs.have('c1')).toBe(250);
    expect(resets).toEqual([]);
    seqs.reach('c1', 5000);
    for (let page = 3; page < 8; page++) {
      const from = 250 + (page - 3) * 100 + 1;
      asked[page]!.answer(range(from, from + 99));
      await settle();
    }
    expect(resets).toEqual(['c1']);
    expect(seqs.have('c1')).toBe(5000);
    expect(asked).toHaveLength(8);
  });
});

describe('failures', () => {
  it('asks again later, and later still', async () => {
    seqs.baseline('c1', 1);
    seqs.reach('c1', 2);
    asked[0]!.fail(new TypeError('network'));
    await clock.pass(999);
    expect(asked).toHaveLength(1);
    await clock.pass(1);
    expect(asked).toHaveLength(2);
    asked[1]!.fail(new TypeError('network'));
    await clock.pass(2_000);
    expect(asked).toHaveLength(3);
    asked[2]!.answer(range(2, 2));
    await settle();
    expect(seqs.have('c1')).toBe(2);
  });

  it('gives up where the server says no, and where it shows nothing', async () => {
    seqs.baseline('c1', 1);
    seqs.reach('c1', 5);
    asked[0]!.fail(new Final());
    await settle();
    expect(seqs.have('c1')).toBe(5);
    seqs.reach('c1', 9);
    asked[1]!.answer([]);
    await settle();
    expect(seqs.have('c1')).toBe(9);
    expect(asked).toHaveLength(2);
  });

  it('does not hear an answer for a channel it has left', async () => {
    seqs.baseline('c1', 1);
    seqs.reach('c1', 2);
    seqs.forget('c1');
    asked[0]!.answer(range(2, 2));
    await settle();
    seqs.baseline('c1', 1);
    seqs.reach('c1', 2);
    seqs.clear();
    asked[1]!.answer(range(2, 2));
    await settle();
    expect(applied).toEqual([]);
  });
});
