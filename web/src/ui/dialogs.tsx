import type { ReactNode, Ref } from 'react';
import { createContext, useContext, useEffect, useImperativeHandle, useMemo, useState } from 'react';
import { inviteCode } from '../lib/invite';
import { shortTime } from '../lib/time';
import { RestError } from '../net/rest';
import type { AuthSession, Channel, Id, Invite, Message } from '../net/types';
import { useApp, useClient } from './context';
import { CheckIcon, CopyIcon } from './icons';
import { errorText } from './names';
import { Dialog, ErrorLine, Field, submit, useTask } from './parts';
import { chooseTheme, useThemeChoice } from './theme';

export type DialogKind =
  | { kind: 'create-guild' }
  | { kind: 'join'; code?: string; error?: unknown }
  | { kind: 'invite'; channel: Id }
  | { kind: 'create-channel'; guild: Id }
  | { kind: 'channel'; channel: Id }
  | { kind: 'settings' }
  | { kind: 'confirm'; title: string; text: ReactNode; action: string; run: () => Promise<unknown> };

export interface DialogHost {
  open: (dialog: DialogKind) => void;
}

const HostContext = createContext<DialogHost>({ open: () => undefined });
export const useDialogs = (): DialogHost => useContext(HostContext);

const CreateGuild = ({ close }: { close: () => void }) => {
  const client = useClient();
  const [name, setName] = useState('');
  const task = useTask();
  const go = (): void => {
    void task.run(() => client.createGuild(name.trim())).then((ok) => ok && close());
  };
  return (
    <Dialog title="Create a community" onClose={close}>
      <form onSubmit={submit(go)}>
        <p className="dialog-text">A place of its own, with channels and people you invite. It starts with one channel.</p>
        <Field label="Name" value={name} onChange={setName} testid="create-guild-name" maxLength={100} required autoFocus autoComplete="off" />
        <ErrorLine>{task.message}</ErrorLine>
        <footer className="dialog-foot">
          <button type="button" className="button" onClick={close}>
            Cancel
          </button>
          <button type="submit" className="button primary" disabled={task.busy || !name.trim()} data-testid="create-guild-submit">
            Create
          </button>
        </footer>
      </form>
    </Dialog>
  );
};

const Join = ({ close, code: given, error }: { close: () => void; code?: string; error?: unknown }) => {
  const client = useClient();
  const [text, setText] = useState(given ?? '');
  const [invite, setInvite] = useState<Invite | null>(null);
  const [problem, setProblem] = useState<string | null>(error === undefined ? null : errorText(error));
  const task = useTask();
  const code = inviteCode(text);
  useEffect(() => {
    setInvite(null);
    if (!code) return;
    let here = true;
    const timer = setTimeout(() => {
      client.rest.invite(code).then(
        (found) => here && setInvite(found),
        () => undefined,
      );
    }, 250);
    return () => {
      here = false;
      clearTimeout(timer);
    };
  }, [client, code]);
  const go = (): void => {
    if (!code) {
      setProblem('This is neither an invite link nor a code.');
      return;
    }
    setProblem(null);
    void task.run(() => client.join(code)).then((ok) => ok && close());
  };
  return (
    <Dialog
      title="Join a community"
      onClose={() => {
        if (location.pathname !== '/') history.replaceState(null, '', '/');
        close();
      }}
    >
      <form onSubmit={submit(go)}>
        <Field
          label="Invite link or code"
          value={text}
          onChange={setText}
          testid="join-invite-code"
          placeholder={`${location.origin}/invite/…`}
          required
          autoFocus
          autoComplete="off"
        />
        {invite?.guild && (
          <p className="invite-preview">
            <strong>{invite.guild.name}</strong>
            {invite.channel && <span> · #{invite.channel.name}</span>}
            {invite.approximate_member_count !== undefined && <span> · {invite.approximate_member_count} members</span>}
          </p>
        )}
        <ErrorLine>{problem ?? (task.error instanceof RestError && task.error.code === 10006 ? 'This invite does not exist or has ended.' : task.message)}</ErrorLine>
        <footer className="dialog-foot">
          <button type="submit" className="button primary" disabled={task.busy || !text.trim()} data-testid="join-invite-submit">
            {task.busy ? 'Joining…' : 'Join'}
          </button>
        </footer>
      </form>
    </Dialog>
  );
};

const LASTS = [
  [3600, '1 hour'],
  [86400, '1 day'],
  [604800, '7 days'],
  [0, 'No end'],
] as const;

const MakeInvite = ({ close, channel }: { close: () => void; channel: Id }) => {
  const client = useClient();
  const name = useApp((s) => s.channels[channel]?.name ?? '');
  const [invite, setInvite] = useState<Invite | null>(null);
  const [age, setAge] = useState(604800);
  const [copied, setCopied] = useState(false);
  const { run, message, busy } = useTask();
  useEffect(() => {
    let here = true;
    setCopied(false);
    void run(async () => {
      const made = await client.rest.createInvite(channel, { max_age: age, max_uses: 0 });
      if (here) setInvite(made);
    });
    return () => {
      here = false;
    };
    // `run` is new on every render and always does the same.
  }, [client, channel, age]);
  const link = invite ? `${location.origin}/invite/${invite.code}` : '';
  const copy = (): void => {
    const done = (): void => setCopied(true);
    const byHand = (): void => {
      /* Pages on plain http have no clipboard of their own. */
      const field = document.querySelector<HTMLInputElement>('[data-testid="invite-link"]');
      field?.select();
      if (document.execCommand('copy')) done();
    };
    if (navigator.clipboard) navigator.clipboard.writeText(link).then(done, byHand);
    else byHand();
  };
  return (
    <Dialog title="Invite people" onClose={close} wide>
      <p className="dialog-text">
        Whoever opens this link can join and starts in <strong>#{name}</strong>.
      </p>
      <div className="copy-row">
        <input data-testid="invite-link" readOnly value={link} aria-label="Invite link" data-autofocus="" onFocus={(e) => e.target.select()} />
        <button type="button" className="button primary" onClick={copy} disabled={!invite || busy}>
          {copied ? <CheckIcon size={18} /> : <CopyIcon size={18} />}
          <span aria-live="polite">{copied ? 'Copied' : 'Copy'}</span>
        </button>
      </div>
      <p className="invite-note">
        Code{' '}
        <code data-testid="invite-code">{invite?.code ?? ''}</code>
        <label className="inline-select">
          lasts{' '}
          <select value={age} onChange={(event) => setAge(Number(event.target.value))} aria-label="How long the invite lasts">
            {LASTS.map(([seconds, label]) => (
              <option key={seconds} value={seconds}>
                {label}
              </option>
            ))}
          </select>
        </label>
      </p>
      <ErrorLine>{message}</ErrorLine>
    </Dialog>
  );
};

/** A channel's name as servers accept it. */
const channelName = (text: string): string => text.toLowerCase().replace(/\s+/gu, '-').replace(/[^\p{L}\p{N}_-]/gu, '').slice(0, 100);

const CreateChannel = ({ close, guild }: { close: () => void; guild: Id }) => {
  const client = useClient();
  const [name, setName] = useState('');
  const task = useTask();
  const go = (): void => {
    void task.run(() => client.createChannel(guild, channelName(name))).then((ok) => ok && close());
  };
  return (
    <Dialog title="Create a channel" onClose={close}>
      <form onSubmit={submit(go)}>
        <Field
          label="Name"
          value={name}
          onChange={(value) => setName(channelName(value))}
          testid="create-channel-name"
          placeholder="new-channel"
          required
          autoFocus
          autoComplete="off"
        />
        <ErrorLine>{task.message}</ErrorLine>
        <footer className="dialog-foot">
          <button type="button" className="button" onClick={close}>
            Cancel
          </button>
          <button type="submit" className="button primary" disabled={task.busy || !name} data-testid="create-channel-submit">
            Create
          </button>
        </footer>
      </form>
    </Dialog>
  );
};

const EditChannel = ({ close, channel }: { close: () => void; channel: Channel }) => {
  const client = useClient();
  const dialogs = useDialogs();
  const [name, setName] = useState(channel.name);
  const [topic, setTopic] = useState(channel.topic ?? '');
  const task = useTask();
  const go = (): void => {
    void task.run(() => client.editChannel(channel.id, { name: channelName(name), topic: topic.trim() || null })).then((ok) => ok && close());
  };
  return (
    <Dialog title={`#${channel.name}`} onClose={close}>
      <form onSubmit={submit(go)}>
        <Field label="Name" value={name} onChange={(value) => setName(channelName(value))} required autoFocus autoComplete="off" />
        <Field label="Topic" value={topic} onChange={setTopic} maxLength={1024} autoComplete="off" />
        <ErrorLine>{task.message}</ErrorLine>
        <footer className="dialog-foot">
          <button
            type="button"
            className="button danger push-left"
            onClick={() =>
              dialogs.open({
                kind: 'confirm',
                title: `Delete #${channel.name}?`,
                text: 'Its messages are deleted with it. This cannot be undone.',
                action: 'Delete channel',
                run: () => client.deleteChannel(channel.id),
              })
            }
          >
            Delete
          </button>
          <button type="button" className="button" onClick={close}>
            Cancel
          </button>
          <button type="submit" className="button primary" disabled={task.busy || !name}>
            Save
          </button>
        </footer>
      </form>
    </Dialog>
  );
};

const Sessions = () => {
  const client = useClient();
  const [list, setList] = useState<AuthSession[] | null>(null);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    let here = true;
    client.rest.sessions().then(
      (found) => here && setList(found),
      () => here && setFailed(true),
    );
    return () => {
      here = false;
    };
  }, [client]);
  const end = (id: Id): void => {
    client.rest.endSession(id).then(
      () => setList((old) => old?.filter((s) => s.id !== id) ?? null),
      () => setFailed(true),
    );
  };
  return (
    <section className="settings-part">
      <h3>Where you are logged in</h3>
      {failed && <ErrorLine>The list could not be loaded.</ErrorLine>}
      <ul className="sessions">
        {list?.map((session) => (
          <li key={session.id}>
            <span>
              <strong>{session.current ? 'This session' : (session.device ?? session.user_agent ?? 'Another session')}</strong>
              {(session.last_used_at ?? session.created_at) && (
                <small>Last used {shortTime(Date.parse((session.last_used_at ?? session.created_at)!))}</small>
              )}
            </span>
            {!session.current && (
              <button type="button" className="button small" onClick={() => end(session.id)}>
                Log out
              </button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
};

const Settings = ({ close }: { close: () => void }) => {
  const client = useClient();
  const me = useApp((s) => s.me);
  const [name, setName] = useState(me?.global_name ?? '');
  const choice = useThemeChoice();
  const task = useTask();
  const [saved, setSaved] = useState(false);
  const save = (): void => {
    void task.run(() => client.rename(name.trim() || null)).then(setSaved);
  };
  return (
    <Dialog title="Settings" onClose={close} wide>
      <form className="settings-part" onSubmit={submit(save)}>
        <h3>You</h3>
        <div className="field-row">
          <Field
            label="Shown name"
            value={name}
            onChange={(value) => {
              setName(value);
              setSaved(false);
            }}
            maxLength={32}
            placeholder={me?.username ?? ''}
            autoComplete="off"
          />
          <button type="submit" className="button" disabled={task.busy || saved || name.trim() === (me?.global_name ?? '')}>
            {saved ? 'Saved' : 'Save'}
          </button>
        </div>
        <ErrorLine>{task.message}</ErrorLine>
      </form>
      <fieldset className="settings-part choices">
        <legend>Theme</legend>
        {(['system', 'dark', 'light'] as const).map((value) => (
          <label key={value} className="choice">
            <input
              type="radio"
              name="theme"
              checked={(choice ?? 'system') === value}
              onChange={() => chooseTheme(value === 'system' ? null : value)}
            />
            <span>{value === 'system' ? 'As the system' : value === 'dark' ? 'Dark' : 'Light'}</span>
          </label>
        ))}
      </fieldset>
      <Sessions />
    </Dialog>
  );
};

const Confirm = ({ close, dialog }: { close: () => void; dialog: Extract<DialogKind, { kind: 'confirm' }> }) => {
  const task = useTask();
  const go = (): void => {
    void task.run(dialog.run).then((ok) => ok && close());
  };
  return (
    <Dialog title={dialog.title} onClose={close}>
      <form onSubmit={submit(go)}>
        <div className="dialog-text">{dialog.text}</div>
        <ErrorLine>{task.message}</ErrorLine>
        <footer className="dialog-foot">
          <button type="button" className="button" onClick={close}>
            Cancel
          </button>
          <button type="submit" className="button danger" disabled={task.busy} data-autofocus="" data-testid="confirm-submit">
            {dialog.action}
          </button>
        </footer>
      </form>
    </Dialog>
  );
};

const Shown = ({ dialog, close }: { dialog: DialogKind; close: () => void }) => {
  const channel = useApp((s) => (dialog.kind === 'channel' ? s.channels[dialog.channel] : undefined));
  switch (dialog.kind) {
    case 'create-guild':
      return <CreateGuild close={close} />;
    case 'join':
      return <Join close={close} {...(dialog.code === undefined ? {} : { code: dialog.code })} error={dialog.error} />;
    case 'invite':
      return <MakeInvite close={close} channel={dialog.channel} />;
    case 'create-channel':
      return <CreateChannel close={close} guild={dialog.guild} />;
    case 'channel':
      return channel ? <EditChannel close={close} channel={channel} /> : null;
    case 'settings':
      return <Settings close={close} />;
    case 'confirm':
      return <Confirm close={close} dialog={dialog} />;
  }
};

/** Shows one dialog at a time over what it contains. */
export const Dialogs = ({ ref, children }: { ref: Ref<DialogHost>; children: ReactNode }) => {
  const [shown, setShown] = useState<{ dialog: DialogKind; key: number } | null>(null);
  const host = useMemo<DialogHost>(() => ({ open: (dialog) => setShown((old) => ({ dialog, key: (old?.key ?? 0) + 1 })) }), []);
  useImperativeHandle(ref, () => host, [host]);
  return (
    <HostContext.Provider value={host}>
      {children}
      {shown && (
        <Shown
          key={shown.key}
          dialog={shown.dialog}
          /* Only the dialog that is shown closes itself: a late answer must not close its successor. */
          close={() => setShown((old) => (old?.key === shown.key ? null : old))}
        />
      )}
    </HostContext.Provider>
  );
};

/** Asks before a message is deleted. */
export const confirmDelete = (dialogs: DialogHost, message: Message, run: () => Promise<unknown>): void =>
  dialogs.open({
    kind: 'confirm',
    title: 'Delete this message?',
    text: <blockquote className="quote">{message.content.slice(0, 300)}</blockquote>,
    action: 'Delete',
    run,
  });
