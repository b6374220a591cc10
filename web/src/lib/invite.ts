const CODE = /^[A-Za-z0-9_-]{1,64}$/;

/** The code inside what somebody pasted: a whole link, a path, or the bare code. Null when it is none of them. */
export const inviteCode = (input: string): string | null => {
  let text = input.trim();
  const at = text.lastIndexOf('/invite/');
  if (at >= 0) text = text.slice(at + '/invite/'.length).split(/[/?#\s]/, 1)[0] ?? '';
  return CODE.test(text) ? text : null;
};

/** The code of a page address such as `/invite/abc`, or null. */
export const invitePath = (path: string): string | null => {
  const found = /^\/invite\/([^/]+)\/?$/.exec(path);
  return found ? inviteCode(found[1]!) : null;
};
