import type { KeyboardEvent } from 'react';
import { useEffect, useLayoutEffect, useRef, useState } from 'react';
import type { Channel, Id } from '../net/types';
import { useClient } from './context';
import { SendIcon } from './icons';

export const MESSAGE_MAX = 4000;
const drafts = new Map<Id, string>();

/** Lets a text field be as high as its text, up to what the style sheet allows. */
export const useGrow = (text: string) => {
  const ref = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => {
    const field = ref.current;
    if (!field) return;
    field.style.height = 'auto';
    field.style.height = `${field.scrollHeight}px`;
  }, [text]);
  return ref;
};

/** Characters as the server counts them: code points. */
export const lengthOf = (text: string): number => [...text].length;

export const Composer = ({ channel, mayWrite, onEditLast }: { channel: Channel; mayWrite: boolean; onEditLast: () => void }) => {
  const client = useClient();
  const [text, setText] = useState(() => drafts.get(channel.id) ?? '');
  const field = useGrow(text);
  const length = lengthOf(text);
  const left = MESSAGE_MAX - length;

  useEffect(() => {
    /* A finger opens the keyboard over half the screen; only a pointer gets the field at once. */
    if (matchMedia('(hover: hover)').matches) field.current?.focus();
  }, [field]);
  useEffect(() => {
    /* Whoever starts to write anywhere on the page means this field. */
    const key = (event: globalThis.KeyboardEvent): void => {
      const at = document.activeElement;
      const elsewhere = at && at !== document.body && at.closest('input, textarea, select, button, a, dialog, [role=menu]');
      if (elsewhere || event.ctrlKey || event.metaKey || event.altKey || event.key.length !== 1 || event.key === ' ') return;
      field.current?.focus();
    };
    addEventListener('keydown', key);
    return () => removeEventListener('keydown', key);
  }, [field]);

  const change = (value: string): void => {
    setText(value);
    drafts.set(channel.id, value);
    if (value.trim()) client.noteTyping(channel.id);
  };
  const send = (): void => {
    const content = text.trim();
    if (!content || left < 0) return;
    client.send(channel.id, content);
    setText('');
    drafts.delete(channel.id);
    field.current?.focus();
  };
  const keys = (event: KeyboardEvent): void => {
    if (event.nativeEvent.isComposing) return;
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      send();
    } else if (event.key === 'ArrowUp' && text === '' && !event.altKey) {
      event.preventDefault();
      onEditLast();
    }
  };
  if (!mayWrite) return <div className="composer locked">You may not write in this channel.</div>;
  return (
    <div className="composer">
      <textarea
        ref={field}
        rows={1}
        value={text}
        data-testid="message-input"
        aria-label={`Message to #${channel.name}`}
        placeholder={`Message #${channel.name}`}
        autoComplete="off"
        enterKeyHint="send"
        onChange={(event) => change(event.target.value)}
        onKeyDown={keys}
      />
      {left < 200 && (
        <span className={left < 0 ? 'counter over' : 'counter'} role="status">
          {left}
        </span>
      )}
      <button type="button" className="send-button" aria-label="Send" title="Send" data-testid="send-button" disabled={!text.trim() || left < 0} onClick={send}>
        <SendIcon size={20} />
      </button>
    </div>
  );
};
