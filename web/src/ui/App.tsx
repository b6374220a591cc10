import { useEffect, useRef, useState } from 'react';
import { invitePath } from '../lib/invite';
import { Auth } from './Auth';
import { useApp, useClient } from './context';
import type { DialogHost } from './dialogs';
import { Dialogs } from './dialogs';
import { Shell } from './Shell';

/** The page: the door for those who are logged out, the house for the others. */
export const App = () => {
  const client = useClient();
  const me = useApp((s) => s.me);
  const [code, setCode] = useState(() => invitePath(location.pathname));
  const host = useRef<DialogHost>(null);
  /* Who came by a link and had to log in first has seen the invitation at the door. Who was logged in is asked: a link
   * alone must not make anybody join. */
  const atDoor = useRef(me === null);
  useEffect(() => {
    const back = (): void => setCode(invitePath(location.pathname));
    addEventListener('popstate', back);
    return () => removeEventListener('popstate', back);
  }, []);
  useEffect(() => {
    if (!me) {
      atDoor.current = true;
      return;
    }
    if (!code) {
      atDoor.current = false;
      return;
    }
    const ask = (error?: unknown): void => host.current?.open({ kind: 'join', code, error });
    if (atDoor.current) client.join(code).catch(ask);
    else ask();
    atDoor.current = false;
    setCode(null);
  }, [me, code, client]);

  if (!me) return <Auth code={code} />;
  return (
    <Dialogs ref={host}>
      <Shell key={me.id} />
    </Dialogs>
  );
};
