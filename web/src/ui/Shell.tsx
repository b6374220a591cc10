import { useEffect, useState } from 'react';
import type { ConnectionState } from '../state/model';
import { isUnread } from '../state/reducer';
import { Chat } from './Chat';
import { useApp, useClient } from './context';
import { useDialogs } from './dialogs';
import { LinkIcon, Logo, PlusIcon } from './icons';
import { MemberList } from './MemberList';
import { Rail, Sidebar } from './Sidebar';

/* A connection that comes back at once needs no banner. */
const PATIENCE_MS = 700;

const TEXTS: Record<Exclude<ConnectionState, 'ready'>, string> = {
  connecting: 'Connecting…',
  reconnecting: 'The connection was lost. Reconnecting…',
  offline: 'You are offline. What you write is sent as soon as the server can be reached.',
};

const ConnectionBanner = () => {
  const client = useClient();
  const { state, notice, retryAt } = useApp((s) => s.connection);
  const [shown, setShown] = useState(false);
  const well = state === 'ready';
  useEffect(() => {
    if (well) {
      setShown(false);
      return undefined;
    }
    const timer = setTimeout(() => setShown(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [well]);
  return (
    <div className={`banner banner-${state}`} data-testid="connection-state" data-state={state} role="status">
      {shown && state !== 'ready' && (
        <>
          <span className="banner-light" aria-hidden="true" />
          <span>{notice ?? TEXTS[state]}</span>
          {(retryAt > 0 || notice) && (
            <button type="button" className="text-button" onClick={() => client.retryConnection()}>
              {notice ? 'Connect here' : 'Try now'}
            </button>
          )}
        </>
      )}
    </div>
  );
};

const Welcome = () => {
  const dialogs = useDialogs();
  const name = useApp((s) => s.me?.global_name || s.me?.username);
  const synced = useApp((s) => s.synced);
  const any = useApp((s) => s.guildOrder.length > 0);
  if (!synced || any) return <div className="empty" />;
  return (
    <div className="empty">
      <Logo size={64} />
      <h1>Hello, {name}</h1>
      <p>You are in no community yet. Make one of your own, or join one with an invite.</p>
      <div className="empty-buttons">
        <button type="button" className="button primary" onClick={() => dialogs.open({ kind: 'create-guild' })}>
          <PlusIcon size={18} /> Create a community
        </button>
        <button type="button" className="button" onClick={() => dialogs.open({ kind: 'join' })}>
          <LinkIcon size={18} /> Join with an invite
        </button>
      </div>
    </div>
  );
};

const useTitle = (): void => {
  const guild = useApp((s) => (s.route.guild ? s.guilds[s.route.guild]?.name : undefined));
  const channel = useApp((s) => (s.route.channel ? s.channels[s.route.channel]?.name : undefined));
  const unread = useApp((s) => Object.values(s.channels).some((c) => c.id !== s.route.channel && isUnread(s, c)));
  useEffect(() => {
    const place = [channel && `#${channel}`, guild].filter(Boolean).join(' · ');
    document.title = `${unread ? '• ' : ''}${place || 'Nexus'}`;
  }, [guild, channel, unread]);
};

/* Alt and an arrow walk through the channels. */
const useSteps = (): void => {
  const client = useClient();
  useEffect(() => {
    const key = (event: KeyboardEvent): void => {
      if (!event.altKey || event.ctrlKey || event.metaKey || document.querySelector('dialog[open]')) return;
      const by = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
      if (by === 0) return;
      event.preventDefault();
      client.step(by);
    };
    addEventListener('keydown', key);
    return () => removeEventListener('keydown', key);
  }, [client]);
};

/** The house: communities, channels, the talk, the people. On narrow screens the sides slide over the middle. */
export const Shell = () => {
  const guild = useApp((s) => s.route.guild);
  const channel = useApp((s) => (s.route.channel && s.channels[s.route.channel] ? s.route.channel : null));
  const [left, setLeft] = useState(false);
  const [right, setRight] = useState<boolean | null>(null);
  useTitle();
  useSteps();
  useEffect(() => {
    setLeft(false);
    if (matchMedia('(max-width: 999px)').matches) setRight(null);
  }, [guild, channel]);
  useEffect(() => {
    if (!left && right !== true) return undefined;
    const key = (event: KeyboardEvent): void => {
      if (event.key !== 'Escape' || event.defaultPrevented) return;
      setLeft(false);
      if (matchMedia('(max-width: 999px)').matches) setRight(null);
    };
    addEventListener('keydown', key);
    return () => removeEventListener('keydown', key);
  }, [left, right]);
  const toggleRight = (): void => {
    const wide = !matchMedia('(max-width: 999px)').matches;
    setRight((old) => (wide ? old === false : old !== true));
  };
  const classes = ['shell', left && 'left-open', right === true && 'right-open', right === false && 'right-closed'];
  return (
    <div className={classes.filter(Boolean).join(' ')}>
      <div className="left">
        <Rail />
        <Sidebar />
      </div>
      <main className="middle">
        <ConnectionBanner />
        {guild && channel ? (
          <Chat key={channel} guild={guild} channel={channel} onMenu={() => setLeft(true)} onMembers={toggleRight} membersShown={right !== false} />
        ) : (
          <>
            <button type="button" className="button only-narrow empty-menu" onClick={() => setLeft(true)}>
              Communities
            </button>
            <Welcome />
          </>
        )}
      </main>
      {guild && channel && <MemberList guild={guild} />}
      <button
        type="button"
        className="scrim"
        aria-label="Close"
        tabIndex={-1}
        onClick={() => {
          setLeft(false);
          setRight(null);
        }}
      />
    </div>
  );
};
