import type { Tokens, TokenStore } from '../net/rest';
import type { Id } from '../net/types';
import type { OutboxEntry } from './model';
import type { OutboxStorage } from './outbox';

const TOKENS = 'nexus.session';
const OUTBOX = 'nexus.outbox.';
const THEME = 'nexus.theme';
const PLACES = 'nexus.places';

/* Storage may be forbidden or full; then nothing is kept, and the page still works until it is closed. */
const memory = new Map<string, string>();

const read = (key: string): string | null => {
  try {
    return localStorage.getItem(key);
  } catch {
    return memory.get(key) ?? null;
  }
};

const write = (key: string, value: string | null): void => {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    if (value === null) memory.delete(key);
    else memory.set(key, value);
  }
};

const parse = <T>(text: string | null): T | null => {
  if (text === null) return null;
  try {
    return JSON.parse(text) as T;
  } catch {
    return null;
  }
};

export const tokenStore: TokenStore = {
  load: () => {
    const tokens = parse<Tokens>(read(TOKENS));
    return tokens && typeof tokens.refresh_token === 'string' && tokens.user?.id ? tokens : null;
  },
  save: (tokens) => write(TOKENS, tokens ? JSON.stringify(tokens) : null),
};

/** Calls back when another tab logs in, out, or as somebody else. */
export const onSessionChange = (listener: () => void): void => {
  addEventListener('storage', (event) => {
    if (event.key === TOKENS || event.key === null) listener();
  });
};

export const outboxStorage = (user: Id): OutboxStorage => {
  const prefix = `${OUTBOX}${user}.`;
  return {
    load: () => {
      const found: OutboxEntry[] = [];
      try {
        for (let i = 0; i < localStorage.length; i++) {
          const key = localStorage.key(i);
          if (!key?.startsWith(prefix)) continue;
          const entry = parse<OutboxEntry>(localStorage.getItem(key));
          if (entry && /^\d{1,25}$/.test(entry.nonce) && typeof entry.content === 'string') found.push(entry);
        }
      } catch {
        /* No storage, nothing kept. */
      }
      return found;
    },
    put: (entry) => write(prefix + entry.nonce, JSON.stringify(entry)),
    remove: (nonce) => write(prefix + nonce, null),
  };
};

export type Theme = 'dark' | 'light';

/** The chosen theme, or null when the system's is followed. */
export const loadTheme = (): Theme | null => {
  const theme = read(THEME);
  return theme === 'dark' || theme === 'light' ? theme : null;
};

export const saveTheme = (theme: Theme | null): void => write(THEME, theme);

/** The channel last looked at in each community. */
export const loadPlaces = (): Record<Id, Id> => parse<Record<Id, Id>>(read(PLACES)) ?? {};
export const savePlaces = (places: Record<Id, Id>): void => write(PLACES, JSON.stringify(places));
