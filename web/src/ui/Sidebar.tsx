import type { CSSProperties } from 'react';
import { useMemo } from 'react';
import { CREATE_INVITE, MANAGE_CHANNELS, can, permissions } from '../lib/permissions';
import type { Channel, Id } from '../net/types';
import { inOrder, isUnread } from '../state/reducer';
import { useApp, useClient } from './context';
import { useDialogs } from './dialogs';
import { BinIcon, DownIcon, ExitIcon, GearIcon, HashIcon, InviteIcon, LinkIcon, Logo, PlusIcon } from './icons';
import { hueOf, initials, userName } from './names';
import type { MenuItem } from './parts';
import { Avatar, IconButton, Menu } from './parts';
import { ThemeToggle } from './theme';

const RailItem = ({ id }: { id: Id }) => {
  const client = useClient();
  const info = useApp((s) => s.guilds[id]);
  const here = useApp((s) => s.route.guild === id);
  const unread = useApp((s) => Object.values(s.channels).some((c) => c.guild_id === id && isUnread(s, c)));
  if (!info) return null;
  return (
    <li className={here ? 'rail-item here' : unread ? 'rail-item unread' : 'rail-item'}>
      <button
        type="button"
        className="rail-button"
        style={{ '--hue': hueOf(id) } as CSSProperties}
        aria-current={here ? 'page' : undefined}
        aria-label={unread && !here ? `${info.name}, unread messages` : info.name}
        title={info.name}
        data-testid="guild-item"
        disabled={info.unavailable}
        onClick={() => client.goGuild(id)}
      >
        {initials(info.name)}
      </button>
    </li>
  );
};

/** The communities, one button each. */
export const Rail = () => {
  const dialogs = useDialogs();
  const order = useApp((s) => s.guildOrder);
  return (
    <nav className="rail" aria-label="Communities">
      <div className="rail-logo">
        <Logo size={36} />
      </div>
      <ul className="rail-list">
        {order.map((id) => (
          <RailItem key={id} id={id} />
        ))}
      </ul>
      <IconButton label="Create a community" testid="create-guild-button" className="rail-action" onClick={() => dialogs.open({ kind: 'create-guild' })}>
        <PlusIcon size={22} />
      </IconButton>
      <IconButton label="Join with an invite" testid="join-invite-button" className="rail-action" onClick={() => dialogs.open({ kind: 'join' })}>
        <LinkIcon size={20} />
      </IconButton>
    </nav>
  );
};

const ChannelItem = ({ channel }: { channel: Channel }) => {
  const client = useClient();
  const here = useApp((s) => s.route.channel === channel.id);
  const unread = useApp((s) => isUnread(s, channel));
  const classes = ['channel-item', here && 'here', unread && !here && 'unread'].filter(Boolean).join(' ');
  return (
    <li>
      <button
        type="button"
        className={classes}
        data-testid="channel-item"
        data-channel-id={channel.id}
        data-unread={unread && !here}
        aria-current={here ? 'page' : undefined}
        onClick={() => client.go(channel.guild_id ?? null, channel.id)}
      >
        <HashIcon size={18} />
        <span className="channel-name">{channel.name}</span>
        {unread && !here && <span className="sr-only">unread</span>}
      </button>
    </li>
  );
};

const UserPanel = () => {
  const client = useClient();
  const dialogs = useDialogs();
  const me = useApp((s) => s.me);
  const waiting = useApp((s) => s.outbox.length);
  const ready = useApp((s) => s.connection.state === 'ready');
  if (!me) return null;
  const leave = (): void => {
    if (waiting === 0) {
      void client.logout();
      return;
    }
    dialogs.open({
      kind: 'confirm',
      title: 'Log out?',
      text: `${waiting === 1 ? 'A message has' : `${waiting} messages have`} not been sent yet and will be lost.`,
      action: 'Log out',
      run: () => client.logout(),
    });
  };
  return (
    <div className="user-panel">
      <Avatar id={me.id} name={userName(me)} status={ready ? 'online' : 'offline'} size={34} />
      <span className="user-names">
        <strong>{userName(me)}</strong>
        <small>{me.username}</small>
      </span>
      <ThemeToggle />
      <IconButton label="Settings" onClick={() => dialogs.open({ kind: 'settings' })}>
        <GearIcon />
      </IconButton>
      <IconButton label="Log out" testid="logout-button" onClick={leave}>
        <ExitIcon />
      </IconButton>
    </div>
  );
};

const ChannelPanel = ({ guild }: { guild: Id }) => {
  const client = useClient();
  const dialogs = useDialogs();
  const info = useApp((s) => s.guilds[guild]);
  const all = useApp((s) => s.channels);
  const me = useApp((s) => s.me!);
  const roles = useApp((s) => s.members[guild]?.[me.id]?.roles);
  const current = useApp((s) => s.route.channel);
  const channels = useMemo(
    () =>
      Object.values(all)
        .filter((c) => c.guild_id === guild && c.type === 0)
        .sort(inOrder),
    [all, guild],
  );
  if (!info) return <div className="sidebar-body" />;
  const rights = permissions(info, me.id, roles);
  const owner = info.owner_id === me.id;
  const items: MenuItem[] = [];
  const inviteTo = current ?? channels[0]?.id;
  if (inviteTo && can(rights, CREATE_INVITE)) {
    items.push({ label: 'Invite people', icon: <InviteIcon size={18} />, onPick: () => dialogs.open({ kind: 'invite', channel: inviteTo }) });
  }
  if (can(rights, MANAGE_CHANNELS)) {
    items.push({ label: 'Create channel', icon: <PlusIcon size={18} />, onPick: () => dialogs.open({ kind: 'create-channel', guild }) });
  }
  items.push(
    owner
      ? {
          label: 'Delete community',
          icon: <BinIcon size={18} />,
          danger: true,
          onPick: () =>
            dialogs.open({
              kind: 'confirm',
              title: `Delete ${info.name}?`,
              text: 'All its channels and messages are deleted with it. This cannot be undone.',
              action: 'Delete community',
              run: () => client.deleteGuild(guild),
            }),
        }
      : {
          label: 'Leave community',
          icon: <ExitIcon size={18} />,
          danger: true,
          onPick: () =>
            dialogs.open({
              kind: 'confirm',
              title: `Leave ${info.name}?`,
              text: 'You need a new invite to come back.',
              action: 'Leave',
              run: () => client.leaveGuild(guild),
            }),
        },
  );
  return (
    <>
      <Menu label={`${info.name}: menu`} className="guild-head" items={items}>
        <span className="guild-name">{info.name}</span>
        <DownIcon size={18} />
      </Menu>
      <nav className="sidebar-body" aria-label="Channels">
        <div className="sidebar-title">
          <h2>Channels</h2>
          {can(rights, MANAGE_CHANNELS) && (
            <IconButton label="Create a channel" testid="create-channel-button" onClick={() => dialogs.open({ kind: 'create-channel', guild })}>
              <PlusIcon size={18} />
            </IconButton>
          )}
        </div>
        <ul className="channel-list">
          {channels.map((channel) => (
            <ChannelItem key={channel.id} channel={channel} />
          ))}
        </ul>
      </nav>
    </>
  );
};

/** The channels of the community on the screen, and who one is. */
export const Sidebar = () => {
  const guild = useApp((s) => s.route.guild);
  return (
    <div className="sidebar">
      {guild ? (
        <ChannelPanel guild={guild} />
      ) : (
        <>
          <div className="guild-head still">
            <span className="guild-name">Nexus</span>
          </div>
          <div className="sidebar-body" />
        </>
      )}
      <UserPanel />
    </div>
  );
};
