import { createContext, useContext, useSyncExternalStore } from 'react';
import type { Client } from '../state/client';
import type { State } from '../state/model';

const ClientContext = createContext<Client | null>(null);
export const ClientProvider = ClientContext.Provider;

export const useClient = (): Client => {
  const client = useContext(ClientContext);
  if (!client) throw new Error('no client');
  return client;
};

/** A part of the state. The selector must return what is in the state, not something it makes. */
export const useApp = <T>(select: (state: State) => T): T => {
  const { store } = useClient();
  return useSyncExternalStore(store.subscribe, () => select(store.get()));
};
