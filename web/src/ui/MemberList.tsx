import { useMemo } from 'react';
import type { Id, Member } from '../net/types';
import { useApp } from './context';
import { CrownIcon } from './icons';
import { memberName } from './names';
import { Avatar } from './parts';

const WORDS: Record<string, string> = { online: 'online', idle: 'away', dnd: 'do not disturb', offline: 'offline' };

const Row = ({ member, status, owner }: { member: Member; status: string; owner: boolean }) => {
  const name = memberName(member);
  return (
    <li className="member-item" data-testid="member-item" data-status={status} data-user-id={member.user.id}>
      <Avatar id={member.user.id} name={name} status={status} size={32} />
      <span className="member-name">{name}</span>
      {owner && (
        <span className="owner-mark" title="Owner">
          <CrownIcon size={14} />
          <span className="sr-only">owner</span>
        </span>
      )}
      <span className="sr-only">{WORDS[status] ?? status}</span>
    </li>
  );
};

/** The people of a community, those who are here first. */
export const MemberList = ({ guild }: { guild: Id }) => {
  const members = useApp((s) => s.members[guild]);
  const presences = useApp((s) => s.presences);
  const me = useApp((s) => s.me?.id);
  const ready = useApp((s) => s.connection.state === 'ready');
  const owner = useApp((s) => s.guilds[guild]?.owner_id);
  const count = useApp((s) => s.guilds[guild]?.memberCount ?? 0);
  const { here, away, total } = useMemo(() => {
    const list = Object.values(members ?? {})
      .map((member) => ({
        member,
        status: presences[member.user.id] ?? (member.user.id === me && ready ? 'online' : 'offline'),
      }))
      .sort((a, b) => memberName(a.member).localeCompare(memberName(b.member)));
    const isAway = (status: string): boolean => status === 'offline' || status === 'invisible';
    return { here: list.filter((e) => !isAway(e.status)), away: list.filter((e) => isAway(e.status)), total: list.length };
  }, [members, presences, me, ready]);
  return (
    <aside className="right" aria-label="Members">
      {here.length > 0 && <h2>Online — {here.length}</h2>}
      <ul>
        {here.map((e) => (
          <Row key={e.member.user.id} {...e} owner={e.member.user.id === owner} />
        ))}
      </ul>
      {away.length > 0 && <h2>Offline — {away.length}</h2>}
      <ul className="away">
        {away.map((e) => (
          <Row key={e.member.user.id} {...e} owner={e.member.user.id === owner} />
        ))}
      </ul>
      {count > total && <p className="more-members">and {count - total} more</p>}
    </aside>
  );
};
