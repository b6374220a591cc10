import { useCallback, useState } from 'react';
import { CREATE_INVITE, MANAGE_CHANNELS, MANAGE_MESSAGES, SEND_MESSAGES, can, permissions } from '../lib/permissions';
import type { Id } from '../net/types';
import { Composer } from './Composer';
import { useApp, useClient } from './context';
import { useDialogs } from './dialogs';
import { GearIcon, HashIcon, InviteIcon, MenuIcon, PeopleIcon } from './icons';
import { MessageList } from './MessageList';
import { memberName } from './names';
import { IconButton } from './parts';

const TypingLine = ({ guild, channel }: { guild: Id; channel: Id }) => {
  const typing = useApp((s) => s.typing[channel]);
  const members = useApp((s) => s.members[guild]);
  const names = Object.keys(typing ?? {}).map((id) => {
    const member = members?.[id];
    return member ? memberName(member) : 'Somebody';
  });
  const text =
    names.length === 1
      ? `${names[0]} is typing`
      : names.length === 2
        ? `${names[0]} and ${names[1]} are typing`
        : names.length === 3
          ? `${names[0]}, ${names[1]} and ${names[2]} are typing`
          : 'Several people are typing';
  return (
    <div className="typing-line" aria-live="polite">
      {names.length > 0 && (
        <span data-testid="typing-indicator">
          <span className="typing-dots" aria-hidden="true">
            <i />
            <i />
            <i />
          </span>
          {text}…
        </span>
      )}
    </div>
  );
};

interface ChatProps {
  guild: Id;
  channel: Id;
  onMenu: () => void;
  onMembers: () => void;
  membersShown: boolean;
}

/** One channel: its head, its messages, and the place to write. */
export const Chat = ({ guild, channel, onMenu, onMembers, membersShown }: ChatProps) => {
  const client = useClient();
  const dialogs = useDialogs();
  const info = useApp((s) => s.guilds[guild]);
  const data = useApp((s) => s.channels[channel])!;
  const me = useApp((s) => s.me!);
  const roles = useApp((s) => s.members[guild]?.[me.id]?.roles);
  const [editing, setEditing] = useState<Id | null>(null);
  const rights = info ? permissions(info, me.id, roles, data) : 0n;

  const editLast = useCallback((): void => {
    const list = client.state.messages[channel]?.list ?? [];
    for (let i = list.length - 1; i >= 0; i--) {
      if (list[i]!.author.id === client.state.me?.id) {
        setEditing(list[i]!.id);
        return;
      }
    }
  }, [client, channel]);

  return (
    <section className="chat" aria-label={`Channel ${data.name}`}>
      <header className="chat-head">
        <IconButton label="Communities and channels" testid="menu-button" className="only-narrow" onClick={onMenu}>
          <MenuIcon />
        </IconButton>
        <span className="chat-hash">
          <HashIcon size={22} />
        </span>
        <h1>{data.name}</h1>
        {data.topic ? (
          <p className="chat-topic" title={data.topic}>
            {data.topic}
          </p>
        ) : (
          <span className="chat-topic" />
        )}
        {can(rights, MANAGE_CHANNELS) && (
          <IconButton label="Channel settings" onClick={() => dialogs.open({ kind: 'channel', channel })}>
            <GearIcon />
          </IconButton>
        )}
        {can(rights, CREATE_INVITE) && (
          <IconButton label="Invite people" testid="invite-create-button" onClick={() => dialogs.open({ kind: 'invite', channel })}>
            <InviteIcon />
          </IconButton>
        )}
        <IconButton label="Members" testid="members-toggle" aria-pressed={membersShown} className="members-toggle" onClick={onMembers}>
          <PeopleIcon />
        </IconButton>
      </header>
      <MessageList
        guild={guild}
        channel={data}
        me={me}
        moderator={can(rights, MANAGE_MESSAGES)}
        editing={editing}
        onEdit={setEditing}
      />
      <Composer channel={data} mayWrite={can(rights, SEND_MESSAGES)} onEditLast={editLast} />
      <TypingLine guild={guild} channel={channel} />
    </section>
  );
};
