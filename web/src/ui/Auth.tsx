import { useEffect, useState } from 'react';
import { RestError } from '../net/rest';
import type { Invite } from '../net/types';
import { useClient } from './context';
import { Logo } from './icons';
import { ErrorLine, Field, submit, useTask } from './parts';
import { ThemeToggle } from './theme';

/** Registers and logs in. Says what an invitation leads to when the page was opened by one. */
export const Auth = ({ code }: { code: string | null }) => {
  const client = useClient();
  const [mode, setMode] = useState<'login' | 'register'>(code ? 'register' : 'login');
  const [username, setUsername] = useState('');
  const [password, setPassword] = useState('');
  const [invite, setInvite] = useState<Invite | null>(null);
  const task = useTask();
  const isNew = mode === 'register';

  useEffect(() => {
    document.title = isNew ? 'Register — Nexus' : 'Log in — Nexus';
  }, [isNew]);
  useEffect(() => {
    if (!code) return;
    let here = true;
    client.rest.invite(code).then(
      (found) => here && setInvite(found),
      () => undefined,
    );
    return () => {
      here = false;
    };
  }, [client, code]);

  const go = (): void => {
    const name = username.trim();
    void task.run(() => (isNew ? client.register(name, password) : client.login(name, password)));
  };
  const change = (to: 'login' | 'register'): void => {
    setMode(to);
    task.reset();
  };
  const fields = task.error instanceof RestError ? task.error.fields : {};
  const general = fields['username'] || fields['password'] ? null : task.message;

  return (
    <main className="door">
      <div className="door-theme">
        <ThemeToggle />
      </div>
      <form className="door-card" onSubmit={submit(go)} aria-label={isNew ? 'Register' : 'Log in'}>
        <div className="door-brand">
          <Logo size={44} />
          <span>Nexus</span>
        </div>
        {code ? (
          <p className="door-invite">
            {invite?.guild ? (
              <>
                You are invited to <strong>{invite.guild.name}</strong>.
              </>
            ) : (
              'You are invited to a community.'
            )}{' '}
            {isNew ? 'Make an account to join.' : 'Log in to join.'}
          </p>
        ) : (
          <h1>{isNew ? 'Make an account' : 'Welcome back'}</h1>
        )}
        <Field
          key={`name-${mode}`}
          label="Name"
          value={username}
          onChange={setUsername}
          testid={`${mode}-username`}
          autoComplete="username"
          maxLength={32}
          required
          autoFocus
          error={fields['username']}
        />
        <Field
          key={`password-${mode}`}
          label="Password"
          type="password"
          value={password}
          onChange={setPassword}
          testid={`${mode}-password`}
          autoComplete={isNew ? 'new-password' : 'current-password'}
          required
          error={fields['password']}
          {...(isNew ? { hint: 'At least 8 characters. A few words you can remember are better than one odd one.' } : {})}
        />
        <ErrorLine>{general}</ErrorLine>
        <button className="button primary wide" type="submit" disabled={task.busy} data-testid={`${mode}-submit`}>
          {task.busy ? 'One moment…' : isNew ? 'Register' : 'Log in'}
        </button>
        <p className="door-switch">
          {isNew ? 'You have an account?' : 'New here?'}{' '}
          {isNew ? (
            <button type="button" className="text-button" data-testid="switch-to-login" onClick={() => change('login')}>
              Log in
            </button>
          ) : (
            <button type="button" className="text-button" data-testid="switch-to-register" onClick={() => change('register')}>
              Make an account
            </button>
          )}
        </p>
      </form>
    </main>
  );
};
