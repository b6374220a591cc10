import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import { compareIds } from '../lib/snowflake';
import { dayName, sameDay } from '../lib/time';
import type { Channel, Id, Message, User } from '../net/types';
import type { OutboxEntry } from '../state/model';
import { useApp, useClient } from './context';
import { confirmDelete, useDialogs } from './dialogs';
import { DownIcon, HashIcon } from './icons';
import { MessageItem, PendingItem } from './MessageItem';
import { nameIn } from './names';

/** Messages of one person within this time share one head. */
const TOGETHER_MS = 7 * 60_000;
/** How near to the end counts as the end, and how near to the beginning asks for more, in pixels. */
const END_PX = 60;
const BEGIN_PX = 500;

interface Row {
  key: string;
  message: Message;
  compact: boolean;
  day: number | null;
  divider: boolean;
}

const rowsOf = (list: Message[], dividerAfter: Id | null, me: Id): Row[] => {
  const rows: Row[] = [];
  let drawn = dividerAfter === null;
  let before: Message | null = null;
  let beforeTime = 0;
  for (const message of list) {
    const time = Date.parse(message.timestamp) || 0;
    const day = !before || !sameDay(beforeTime, time) ? time : null;
    const divider = !drawn && dividerAfter !== null && compareIds(message.id, dividerAfter) > 0 && message.author.id !== me;
    if (divider) drawn = true;
    const compact = before !== null && day === null && !divider && before.author.id === message.author.id && time - beforeTime < TOGETHER_MS;
    /* A message of ours keeps its place on the screen when it turns from waiting to sent. */
    const key = message.nonce != null && message.author.id === me ? `n${message.nonce}` : message.id;
    rows.push({ key, message, compact, day, divider });
    before = message;
    beforeTime = time;
  }
  return rows;
};

interface MessageListProps {
  guild: Id;
  channel: Channel;
  me: User;
  moderator: boolean;
  editing: Id | null;
  onEdit: (id: Id | null) => void;
}

const NONE: Message[] = [];

/** The messages of a channel. Stays at the end while the end is in view, and at its place when older ones come in. */
export const MessageList = ({ guild, channel, me, moderator, editing, onEdit }: MessageListProps) => {
  const client = useClient();
  const dialogs = useDialogs();
  const id = channel.id;
  const window = useApp((s) => s.messages[id]);
  const outbox = useApp((s) => s.outbox);
  const members = useApp((s) => s.members[guild]);
  const list = window?.list ?? NONE;
  const rows = useMemo(() => rowsOf(list, window?.dividerAfter ?? null, me.id), [list, window?.dividerAfter, me.id]);
  const waiting = useMemo(() => {
    const arrived = new Set(list.filter((m) => m.nonce != null).map((m) => String(m.nonce)));
    return outbox.filter((e) => e.channel_id === id && !arrived.has(e.nonce));
  }, [outbox, list, id]);

  const box = useRef<HTMLDivElement>(null);
  const inner = useRef<HTMLDivElement>(null);
  const stick = useRef(true);
  const shape = useRef({ first: '', height: 0, top: 0 });
  const [atEnd, setAtEnd] = useState(true);
  const [missed, setMissed] = useState(0);

  const toEnd = useCallback((): void => {
    const el = box.current;
    if (el) el.scrollTop = el.scrollHeight;
  }, []);

  /* Older messages push everything down: the same message must stay under the eye. */
  const first = list[0]?.id ?? '';
  useLayoutEffect(() => {
    const el = box.current;
    if (!el) return;
    const old = shape.current;
    if (stick.current) toEnd();
    else if (old.first !== first && old.first !== '') el.scrollTop = old.top + (el.scrollHeight - old.height);
    shape.current = { first, height: el.scrollHeight, top: el.scrollTop };
  }, [first, list, waiting, window?.older, toEnd]);

  /* The keyboard of a phone, a growing text field, a turned screen. */
  useEffect(() => {
    const watch = new ResizeObserver(() => {
      if (stick.current) toEnd();
      const el = box.current;
      if (el) shape.current = { ...shape.current, height: el.scrollHeight, top: el.scrollTop };
    });
    if (box.current) watch.observe(box.current);
    if (inner.current) watch.observe(inner.current);
    return () => watch.disconnect();
  }, [toEnd]);

  const lastId = list[list.length - 1]?.id ?? '';
  const seen = useRef(lastId);
  useEffect(() => {
    if (seen.current !== '' && !stick.current && lastId !== '' && compareIds(lastId, seen.current) > 0) setMissed((n) => n + 1);
    seen.current = lastId;
    if (stick.current) {
      client.trim(id);
      client.scheduleRead();
    }
  }, [client, id, lastId]);

  /* What one writes oneself is always shown. */
  const written = waiting[waiting.length - 1]?.nonce;
  useEffect(() => {
    if (written === undefined) return;
    stick.current = true;
    toEnd();
  }, [written, toEnd]);

  const look = useCallback((): void => {
    const el = box.current;
    if (!el) return;
    shape.current = { ...shape.current, height: el.scrollHeight, top: el.scrollTop };
    const end = el.scrollHeight - el.scrollTop - el.clientHeight < END_PX;
    stick.current = end;
    client.atEnd = end;
    setAtEnd(end);
    if (end) {
      setMissed(0);
      client.scheduleRead();
    }
    if (el.scrollTop < BEGIN_PX) void client.loadOlder(id);
  }, [client, id]);

  /* A tall screen may hold more than one page. */
  useEffect(() => {
    const el = box.current;
    if (el && window?.status === 'loaded' && window.hasOlder && el.scrollHeight <= el.clientHeight + BEGIN_PX) void client.loadOlder(id);
  }, [client, id, list, window?.status, window?.hasOlder]);
  useEffect(() => {
    client.atEnd = true;
  }, [client]);

  const onDelete = useCallback((message: Message) => confirmDelete(dialogs, message, () => client.remove(message)), [client, dialogs]);
  const onInvite = useCallback((code: string) => dialogs.open({ kind: 'join', code }), [dialogs]);
  const lastRow = list[list.length - 1];
  const followsOwn = (entry: OutboxEntry, at: number): boolean =>
    at > 0 || (lastRow?.author.id === me.id && entry.created - (Date.parse(lastRow.timestamp) || 0) < TOGETHER_MS);

  return (
    <div className="messages-box">
      <div className="messages" ref={box} onScroll={look} tabIndex={0} role="log" aria-label={`Messages in #${channel.name}`} data-testid="message-list">
        <div className="messages-inner" ref={inner}>
          {window?.status === 'loaded' && !window.hasOlder && (
            <div className="beginning">
              <span className="beginning-mark">
                <HashIcon size={30} />
              </span>
              <h2>Welcome to #{channel.name}</h2>
              <p>This is where the channel begins.{list.length === 0 && ' Write the first message.'}</p>
            </div>
          )}
          {/* Always as high as it is with words in it, so that nothing moves when loading begins. */}
          {window?.status === 'loaded' && window.hasOlder && (
            <p className="list-note older-note">
              {window.older === 'loading' && 'Loading older messages…'}
              {window.older === 'failed' && (
                <>
                  Older messages could not be loaded.{' '}
                  <button type="button" className="text-button" onClick={() => void client.loadOlder(id)}>
                    Try again
                  </button>
                </>
              )}
            </p>
          )}
          {(!window || window.status === 'loading') && list.length === 0 && (
            <div className="skeleton" aria-label="Loading messages">
              {[72, 46, 84, 58, 66].map((width) => (
                <span key={width}>
                  <i />
                  <b style={{ width: `${width}%` }} />
                </span>
              ))}
            </div>
          )}
          {window?.status === 'failed' && (
            <p className="list-note">
              The messages could not be loaded.{' '}
              <button type="button" className="text-button" onClick={() => void client.open(id)}>
                Try again
              </button>
            </p>
          )}
          {rows.map((row) => (
            <MessageItem
              key={row.key}
              message={row.message}
              name={nameIn(members, row.message.author)}
              compact={row.compact}
              day={row.day === null ? null : dayName(row.day, Date.now())}
              divider={row.divider}
              own={row.message.author.id === me.id}
              mayDelete={moderator || row.message.author.id === me.id}
              editing={editing === row.message.id}
              onEdit={onEdit}
              onDelete={onDelete}
              onInvite={onInvite}
            />
          ))}
          {waiting.map((entry, at) => (
            <PendingItem key={`n${entry.nonce}`} entry={entry} me={me} name={nameIn(members, me)} compact={followsOwn(entry, at)} />
          ))}
        </div>
      </div>
      {!atEnd && (
        <button
          type="button"
          className={missed > 0 ? 'to-end new' : 'to-end'}
          onClick={() => {
            stick.current = true;
            toEnd();
          }}
        >
          {missed > 0 ? 'New messages' : 'To the newest'}
          <DownIcon size={16} />
        </button>
      )}
    </div>
  );
};
