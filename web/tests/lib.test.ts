import { describe, expect, it } from 'vitest';
import { inviteCode, invitePath } from '../src/lib/invite';
import { linkify } from '../src/lib/linkify';
import { ADMINISTRATOR, MANAGE_CHANNELS, SEND_MESSAGES, can, permissions } from '../src/lib/permissions';
import { compareIds, idTime, makeNonce, maxId } from '../src/lib/snowflake';
import { hueOf, initials } from '../src/ui/names';

describe('linkify', () => {
  const links = (text: string): string[] => linkify(text).flatMap((p) => (p.href === undefined ? [] : [p.text]));

  it('finds addresses and leaves the sentence its punctuation', () => {
    expect(links('see https://a.example/x, or http://b.example.')).toEqual(['https://a.example/x', 'http://b.example']);
    expect(links('(https://a.example/b)')).toEqual(['https://a.example/b']);
    expect(links('https://a.example/b_(c)')).toEqual(['https://a.example/b_(c)']);
    expect(links('<https://a.example>')).toEqual(['https://a.example']);
    expect(links('"https://a.example/ü?q=1#f"!')).toEqual(['https://a.example/ü?q=1#f']);
  });
  it.each(['javascript:alert(1)', 'data:text/html,x', 'file:///etc', 'ftp://a.example', 'https://', 'http://user:pw@a.example', 'xhttp://a.example', 'vbscript:x'])(
    'leaves %s alone',
    (text) => expect(links(text)).toEqual([]),
  );
  it('loses no character, whatever comes', () => {
    const parts = ['https://', 'http://a.b', ' ', '(', ')', '<', '>', '"', '.', '\n', 'é', '😀', 'javascript:', '&lt;', '@', '%zz', '[', ']'];
    let seed = 7;
    for (let i = 0; i < 2000; i++) {
      let text = '';
      for (let j = 0; j < 12; j++) {
        seed = (seed * 1103515245 + 12345) % 2147483648;
        text += parts[seed % parts.length];
      }
      expect(linkify(text).map((p) => p.text).join('')).toBe(text);
      for (const piece of linkify(text)) if (piece.href !== undefined) expect(piece.href).toMatch(/^https?:\/\//);
    }
  });
  it('is quick with long nonsense', () => {
    const begin = Date.now();
    linkify(`http://${'a)'.repeat(1000)}`);
    linkify('http://'.repeat(300));
    expect(Date.now() - begin).toBeLessThan(500);
  });
});

describe('invites', () => {
  it('are found in what people paste', () => {
    expect(inviteCode(' AbC-12_ ')).toBe('AbC-12_');
    expect(inviteCode('https://x.example/invite/AbC?x=1')).toBe('AbC');
    expect(inviteCode('x.example/invite/AbC/')).toBe('AbC');
    expect(inviteCode('https://x.example/')).toBeNull();
    expect(inviteCode('two words')).toBeNull();
    expect(inviteCode('../x')).toBeNull();
    expect(inviteCode('')).toBeNull();
  });
  it('are found in an address', () => {
    expect(invitePath('/invite/AbC')).toBe('AbC');
    expect(invitePath('/invite/AbC/')).toBe('AbC');
    expect(invitePath('/invite/')).toBeNull();
    expect(invitePath('/x/invite/AbC')).toBeNull();
  });
});

describe('ids', () => {
  it('are ordered by age', () => {
    expect(compareIds('9', '10')).toBeLessThan(0);
    expect(compareIds('10', '9')).toBeGreaterThan(0);
    expect(compareIds('10', '10')).toBe(0);
    expect(maxId('9', '10')).toBe('10');
    expect(maxId(null, '10')).toBe('10');
    expect(maxId(undefined, null)).toBeNull();
  });
  it('tell when they were made', () => {
    const now = 1_700_000_000_000;
    expect(idTime(makeNonce(now))).toBe(now);
    expect(idTime('nonsense')).toBe(0);
    expect(makeNonce(now, () => 0.999999).length).toBeLessThanOrEqual(25);
  });
});

describe('permissions', () => {
  const guild = (everyone: bigint, role = 0n) => ({
    id: 'g',
    owner_id: 'o',
    roles: [
      { id: 'g', name: '@everyone', permissions: String(everyone), position: 0 },
      { id: 'r', name: 'r', permissions: String(role), position: 1 },
    ],
  });
  const channel = (...permission_overwrites: { id: string; type: number; allow: string; deny: string }[]) => ({ id: 'c', type: 0, name: 'c', permission_overwrites });
  const S = String(SEND_MESSAGES);

  it('owner and administrator may do everything', () => {
    expect(can(permissions(guild(0n), 'o', []), MANAGE_CHANNELS)).toBe(true);
    expect(can(permissions(guild(0n, ADMINISTRATOR), 'u', ['r'], channel({ id: 'g', type: 0, allow: '0', deny: S })), SEND_MESSAGES)).toBe(true);
  });
  it('roles add up, and count only for those who have them', () => {
    expect(can(permissions(guild(SEND_MESSAGES, MANAGE_CHANNELS), 'u', ['r']), MANAGE_CHANNELS | SEND_MESSAGES)).toBe(true);
    expect(can(permissions(guild(SEND_MESSAGES, MANAGE_CHANNELS), 'u', []), MANAGE_CHANNELS)).toBe(false);
  });
  it('a channel denies to all, allows a role again, and the person decides last', () => {
    const all = { id: 'g', type: 0, allow: '0', deny: S };
    const role = { id: 'r', type: 0, allow: S, deny: '0' };
    const person = { id: 'u', type: 1, allow: '0', deny: S };
    const may = (...o: (typeof all)[]): boolean => can(permissions(guild(SEND_MESSAGES), 'u', ['r'], channel(...o)), SEND_MESSAGES);
    expect([may(all), may(all, role), may(all, role, person)]).toEqual([false, true, false]);
  });
  it('shows everything while the roles are not known', () => {
    expect(can(permissions({ id: 'g', owner_id: 'o', roles: [] }, 'u', undefined), MANAGE_CHANNELS)).toBe(true);
  });
});

describe('names', () => {
  it('shorten to letters', () => {
    expect(initials('Field Notes')).toBe('FN');
    expect(initials('ines')).toBe('I');
    expect(initials('a_b.c')).toBe('AC');
    expect(initials('😀 x')).toBe('😀X');
    expect(initials('  ')).toBe('?');
  });
  it('get a hue that stays', () => {
    expect(hueOf('123')).toBe(hueOf('123'));
    const hues = new Set(Array.from({ length: 40 }, (_, i) => hueOf(String(1573455054134837248n + BigInt(i)))));
    expect(hues.size).toBeGreaterThan(8);
  });
});
