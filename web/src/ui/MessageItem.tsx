import type { KeyboardEvent, MouseEvent } from 'react';
import { memo, useEffect, useState } from 'react';
import { inviteCode, invitePath } from '../lib/invite';
import { linkify } from '../lib/linkify';
import { clockTime, fullTime } from '../lib/time';
import type { Id, Message, User } from '../net/types';
import type { OutboxEntry } from '../state/model';
import { lengthOf, MESSAGE_MAX, useGrow } from './Composer';
import { useClient } from './context';
import { AlertIcon, BinIcon, ClockIcon, PenIcon } from './icons';
import { Avatar, ErrorLine, IconButton, useTask } from './parts';

/** A text whose addresses can be followed. Everything is text to React: nothing in it becomes markup. */
const Content = ({ text, onInvite }: { text: string; onInvite?: (code: string) => void }) => {
  const open = (event: MouseEvent, href: string): void => {
    const url = new URL(href);
    const code = url.origin === location.origin ? invitePath(url.pathname) : null;
    if (!code || !onInvite || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    onInvite(inviteCode(code) ?? code);
  };
  return (
    <>
      {linkify(text).map((piece, at) =>
        piece.href === undefined ? (
          piece.text
        ) : (
          <a key={at} href={piece.href} target="_blank" rel="noopener noreferrer nofollow" onClick={(event) => open(event, piece.href!)}>
            {piece.text}
          </a>
        ),
      )}
    </>
  );
};

const Editor = ({ message, onDone }: { message: Message; onDone: () => void }) => {
  const client = useClient();
  const [text, setText] = useState(message.content);
  const field = useGrow(text);
  const task = useTask();
  useEffect(() => {
    const el = field.current;
    el?.focus();
    el?.setSelectionRange(el.value.length, el.value.length);
    el?.scrollIntoView({ block: 'nearest' });
  }, [field]);
  const close = (): void => {
    onDone();
    document.querySelector<HTMLElement>('[data-testid="message-input"]')?.focus();
  };
  const save = (): void => {
    const content = text.trim();
    if (content === '' || lengthOf(content) > MESSAGE_MAX || task.busy) return;
    if (content === message.content) close();
    else void task.run(() => client.edit(message, content)).then((ok) => ok && close());
  };
  const keys = (event: KeyboardEvent): void => {
    if (event.nativeEvent.isComposing) return;
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      save();
    } else if (event.key === 'Escape') {
      event.preventDefault();
      close();
    }
  };
  return (
    <div className="editor">
      <textarea
        ref={field}
        rows={1}
        value={text}
        aria-label="Edit message"
        data-testid="message-edit-input"
        onChange={(event) => setText(event.target.value)}
        onKeyDown={keys}
      />
      <ErrorLine>{task.message}</ErrorLine>
      <small>
        <button type="button" className="text-button" onClick={save}>
          Save
        </button>{' '}
        with Enter,{' '}
        <button type="button" className="text-button" onClick={close}>
          cancel
        </button>{' '}
        with Escape
      </small>
    </div>
  );
};

interface MessageItemProps {
  message: Message;
  name: string;
  compact: boolean;
  day: string | null;
  divider: boolean;
  own: boolean;
  mayDelete: boolean;
  editing: boolean;
  onEdit: (id: Id | null) => void;
  onDelete: (message: Message) => void;
  onInvite: (code: string) => void;
}

export const MessageItem = memo((props: MessageItemProps) => {
  const { message, name, compact, own, editing } = props;
  const time = Date.parse(message.timestamp) || 0;
  const classes = ['message', compact && 'compact', editing && 'editing'].filter(Boolean).join(' ');
  return (
    <>
      {props.day !== null && (
        <div className="day-line" role="separator" aria-label={props.day}>
          <span>{props.day}</span>
        </div>
      )}
      {props.divider && (
        <div className="new-line" role="separator" aria-label="New messages" data-testid="new-divider">
          <span>New</span>
        </div>
      )}
      <article
        className={classes}
        data-testid="message-item"
        data-message-id={message.id}
        data-seq={message.seq}
        data-state="sent"
        tabIndex={own ? -1 : undefined}
        aria-label={`${name}, ${clockTime(time)}`}
      >
        {compact ? (
          <time className="gutter-time" dateTime={message.timestamp} title={fullTime(time)}>
            {clockTime(time)}
          </time>
        ) : (
          <Avatar id={message.author.id} name={name} />
        )}
        <div className="message-main">
          {!compact && (
            <header className="message-head">
              <strong>{name}</strong>
              <time dateTime={message.timestamp} title={fullTime(time)}>
                {clockTime(time)}
              </time>
            </header>
          )}
          {editing ? (
            <Editor message={message} onDone={() => props.onEdit(null)} />
          ) : (
            <div className="message-text">
              <span data-testid="message-content">
                <Content text={message.content} onInvite={props.onInvite} />
              </span>
              {message.edited_timestamp && (
                <small className="edited" title={fullTime(Date.parse(message.edited_timestamp) || 0)} data-testid="message-edited">
                  {' '}
                  (edited)
                </small>
              )}
            </div>
          )}
        </div>
        {!editing && (own || props.mayDelete) && (
          <div className="message-tools">
            {own && (
              <IconButton label="Edit message" testid="message-edit" onClick={() => props.onEdit(message.id)}>
                <PenIcon size={17} />
              </IconButton>
            )}
            {props.mayDelete && (
              <IconButton label="Delete message" testid="message-delete" className="danger" onClick={() => props.onDelete(message)}>
                <BinIcon size={17} />
              </IconButton>
            )}
          </div>
        )}
      </article>
    </>
  );
});

/** A message that the server has not confirmed. */
export const PendingItem = memo(({ entry, me, name, compact }: { entry: OutboxEntry; me: User; name: string; compact: boolean }) => {
  const client = useClient();
  const failed = entry.state === 'failed';
  const classes = ['message', compact && 'compact', failed ? 'failed' : 'pending'].filter(Boolean).join(' ');
  return (
    <article
      className={classes}
      data-testid="message-item"
      data-message-id=""
      data-nonce={entry.nonce}
      data-state={failed ? 'failed' : 'pending'}
      aria-label={`${name}, ${failed ? 'not sent' : 'being sent'}`}
    >
      {compact ? (
        <span className="gutter-time shown">{failed ? <AlertIcon size={15} /> : <ClockIcon size={15} />}</span>
      ) : (
        <Avatar id={me.id} name={name} />
      )}
      <div className="message-main">
        {!compact && (
          <header className="message-head">
            <strong>{name}</strong>
            <span className="message-state">{failed ? 'not sent' : 'sending…'}</span>
          </header>
        )}
        <div className="message-text">
          <span data-testid="message-content">
            <Content text={entry.content} />
          </span>
        </div>
        {failed && (
          <p className="message-failure" role="alert">
            <span>Not sent: {entry.error ?? 'the server refused it.'}</span>
            <button type="button" className="text-button" data-testid="message-retry" onClick={() => client.retry(entry.nonce)}>
              Try again
            </button>
            <button type="button" className="text-button" data-testid="message-discard" onClick={() => client.discard(entry.nonce)}>
              Discard
            </button>
          </p>
        )}
      </div>
    </article>
  );
});
