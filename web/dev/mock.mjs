/**
 * A stand-in for the server, for working on the page: everything in memory, nothing checked that the page does not
 * need. Serves the built page as well. Usage: node dev/mock.mjs [port]. Faults on request:
 *   POST /__dev/cut       ends every socket without a closing handshake (sessions can be resumed)
 *   POST /__dev/forget    ends every socket and forgets the sessions
 *   POST /__dev/away?ms=N accepts no new socket and no request for N milliseconds
 *   POST /__dev/drop?n=N  keeps the next N MESSAGE_CREATE dispatches to itself (a gap in seq)
 *   POST /__dev/refuse?n=N refuses the next N messages
 */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';

const port = Number(process.argv[2] ?? process.env.PORT ?? 8080);
const dist = fileURLToPath(new URL('../dist/', import.meta.url));
const EPOCH = 1420070400000n;
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };

let lastId = 0n;
const makeId = (at = Date.now()) => {
  let id = (BigInt(at) - EPOCH) << 22n;
  if (id <= lastId) id = lastId + 1n;
  lastId = id;
  return id.toString();
};
const secret = () => randomBytes(24).toString('base64url');

const users = new Map();
const byName = new Map();
const access = new Map();
const refresh = new Map();
const guilds = new Map();
const channels = new Map();
const invites = new Map();
const sessions = new Map();
const nonces = new Map();
const reads = new Map();
let awayUntil = 0;
let dropNext = 0;
let refuseNext = 0;
export const ACCESS_SECONDS = Number(process.env.MOCK_ACCESS_SECONDS ?? 900);

const publicUser = (u) => ({ id: u.id, username: u.username, global_name: u.global_name, avatar: null });
const makeUser = (username, password, global_name = null) => {
  const user = { id: makeId(), username, password, global_name };
  users.set(user.id, user);
  byName.set(username.toLowerCase(), user);
  return user;
};
const grant = (user) => {
  const pair = { access_token: secret(), refresh_token: secret(), expires_in: ACCESS_SECONDS, user: publicUser(user) };
  access.set(pair.access_token, { user: user.id, until: Date.now() + ACCESS_SECONDS * 1000 });
  refresh.set(pair.refresh_token, user.id);
  return pair;
};
const makeChannel = (guild, name, topic = null) => {
  const channel = {
    id: makeId(), type: 0, guild_id: guild.id, name, topic, position: guild.channels.length,
    last_message_id: null, last_seq: 0, permission_overwrites: [], log: [],
  };
  guild.channels.push(channel);
  channels.set(channel.id, channel);
  return channel;
};
const makeGuild = (owner, name) => {
  const id = makeId();
  const guild = {
    id, name, owner_id: owner.id, icon: null, channels: [], members: new Map(),
    roles: [{ id, name: '@everyone', permissions: String((1 << 0) | (1 << 10) | (1 << 11) | (1 << 16)), position: 0, color: 0 }],
  };
  guilds.set(id, guild);
  guild.members.set(owner.id, { user: publicUser(owner), nick: null, roles: [], joined_at: new Date().toISOString() });
  makeChannel(guild, 'general');
  return guild;
};
const joinGuild = (guild, user) => {
  const member = { user: publicUser(user), nick: null, roles: [], joined_at: new Date().toISOString() };
  guild.members.set(user.id, member);
  return member;
};
const channelView = ({ log: _, ...c }) => c;
const forced = new Map();
const status = (id) => forced.get(id) ?? ([...sessions.values()].some((s) => s.user === id && s.socket) ? 'online' : 'offline');
const guildView = (g) => ({
  id: g.id, name: g.name, owner_id: g.owner_id, icon: null, roles: g.roles, channels: g.channels.map(channelView),
  member_count: g.members.size,
});
const guildFull = (g) => ({
  ...guildView(g),
  members: [...g.members.values()].slice(0, 100),
  presences: [...g.members.keys()].map((id) => ({ user: { id }, status: status(id) })).filter((p) => p.status !== 'offline'),
});

/* ---- messages ---- */
const addMessage = (channel, user, content, nonce, at = Date.now()) => {
  const key = `${channel.id}:${user.id}:${nonce}`;
  if (nonce != null && nonces.has(key)) return { message: nonces.get(key), fresh: false };
  const id = makeId(at);
  const message = {
    id, channel_id: channel.id, guild_id: channel.guild_id, author: publicUser(user), content,
    timestamp: new Date(at).toISOString(), edited_timestamp: null, type: 0, seq: ++channel.last_seq,
  };
  if (nonce != null) {
    message.nonce = nonce;
    nonces.set(key, message);
  }
  channel.last_message_id = id;
  channel.log.push(message);
  return { message, fresh: true };
};

/* ---- gateway ---- */
const RING = 500;
const sendTo = (session, t, d) => {
  const frame = { op: 0, s: ++session.seq, t, d };
  session.ring.push(frame);
  if (session.ring.length > RING) session.ring.shift();
  if (session.socket) session.socket.send(JSON.stringify(frame));
};
const toGuild = (guild, t, d, except) => {
  for (const s of sessions.values()) if (guild.members.has(s.user) && s.user !== except) sendTo(s, t, d);
};
const toUser = (user, t, d) => {
  for (const s of sessions.values()) if (s.user === user) sendTo(s, t, d);
};
const publish = (channel, message) => {
  if (dropNext > 0) {
    dropNext--;
    return;
  }
  toGuild(guilds.get(channel.guild_id), 'MESSAGE_CREATE', message);
};
const presence = (user) => {
  for (const g of guilds.values()) {
    if (g.members.has(user)) toGuild(g, 'PRESENCE_UPDATE', { user: { id: user }, guild_id: g.id, status: status(user) });
  }
};

const sockets = new WebSocketServer({ noServer: true });
sockets.on('connection', (socket) => {
  let session = null;
  const reply = (op, d) => socket.send(JSON.stringify({ op, d }));
  reply(10, { heartbeat_interval: 30000 });
  socket.on('message', (data) => {
    const { op, d } = JSON.parse(data.toString());
    if (op === 1) reply(11);
    else if (op === 2) {
      const who = access.get(d.token);
      if (!who || who.until < Date.now()) return socket.close(4004, 'authentication failed');
      const user = users.get(who.user);
      session = { id: secret(), user: user.id, seq: 0, ring: [], socket };
      sessions.set(session.id, session);
      const mine = [...guilds.values()].filter((g) => g.members.has(user.id));
      sendTo(session, 'READY', {
        v: 1, session_id: session.id, resume_gateway_url: `ws://127.0.0.1:${port}`, user: publicUser(user),
        guilds: mine.map((g) => ({ id: g.id, unavailable: true })),
        read_states: [...(reads.get(user.id) ?? new Map())].map(([channel_id, last_message_id]) => ({ channel_id, last_message_id, mention_count: 0 })),
        resume_window: { seconds: 120, events: RING },
      });
      for (const g of mine) sendTo(session, 'GUILD_CREATE', guildFull(g));
      presence(user.id);
    } else if (op === 6) {
      const old = sessions.get(d.session_id);
      const first = old?.ring[0]?.s ?? 1;
      if (!old || d.seq + 1 < first) return reply(9, false);
      session = old;
      session.socket?.terminate();
      session.socket = null;
      for (const frame of old.ring) if (frame.s > d.seq) socket.send(JSON.stringify(frame));
      session.socket = socket;
      sendTo(session, 'RESUMED', {});
      presence(session.user);
    } else if (op === 67 && session) {
      const channel = channels.get(d.channel_id);
      if (!channel) return sendTo(session, 'NEXUS_MESSAGE_REFUSED', { nonce: d.nonce, code: 10003, message: 'Unknown Channel' });
      if (refuseNext > 0) {
        refuseNext--;
        return sendTo(session, 'NEXUS_MESSAGE_REFUSED', { nonce: d.nonce, code: 50013, message: 'Missing Permissions' });
      }
      const { message, fresh } = addMessage(channel, users.get(session.user), d.content, d.nonce);
      sendTo(session, 'NEXUS_MESSAGE_ACK', { nonce: d.nonce, id: message.id, seq: message.seq });
      if (fresh) publish(channel, message);
    }
  });
  socket.on('close', () => {
    if (session?.socket !== socket) return;
    session.socket = null;
    const { user } = session;
    setTimeout(() => presence(user), 3000);
  });
});

/* ---- REST ---- */
class Refusal extends Error {
  constructor(http, code, message, errors) {
    super(message);
    Object.assign(this, { http, code, errors });
  }
}
const need = (value, code, message) => {
  if (!value) throw new Refusal(404, code, message);
  return value;
};
const field = (name, message) => new Refusal(400, 50035, 'Invalid Form Body', { [name]: { _errors: [{ code: 'INVALID', message }] } });

const routes = [
  ['POST', '/auth/register', ({ body }) => {
    if (!/^[\w.-]{2,32}$/.test(body.username ?? '')) throw field('username', 'Use 2 to 32 letters, digits, dots, dashes or underscores.');
    if (byName.has(body.username.toLowerCase())) throw field('username', 'This name is taken.');
    if ((body.password ?? '').length < 8) throw field('password', 'Use at least 8 characters.');
    return grant(makeUser(body.username, body.password));
  }],
  ['POST', '/auth/login', ({ body }) => {
    const user = byName.get((body.username ?? '').toLowerCase());
    if (!user || user.password !== body.password) throw new Refusal(401, 50035, 'Wrong name or password.');
    return grant(user);
  }],
  ['POST', '/auth/refresh', ({ body }) => {
    const user = refresh.get(body.refresh_token);
    refresh.delete(body.refresh_token);
    if (!user) throw new Refusal(401, 50014, 'Invalid token');
    return grant(users.get(user));
  }],
  ['POST', '/auth/logout', () => undefined],
  ['GET', '/auth/sessions', ({ user }) => [
    { id: '1', created_at: new Date(Date.now() - 9e7).toISOString(), last_used_at: new Date().toISOString(), user_agent: 'This browser', current: true, user: user.id },
    { id: '2', created_at: new Date(Date.now() - 9e8).toISOString(), last_used_at: new Date(Date.now() - 5e7).toISOString(), user_agent: 'Firefox on Linux', current: false },
  ]],
  ['DELETE', '/auth/sessions/:id', () => undefined],
  ['GET', '/users/@me', ({ user }) => publicUser(user)],
  ['PATCH', '/users/@me', ({ user, body }) => {
    user.global_name = body.global_name ?? null;
    for (const g of guilds.values()) {
      const member = g.members.get(user.id);
      if (!member) continue;
      member.user = publicUser(user);
      toGuild(g, 'GUILD_MEMBER_UPDATE', { ...member, guild_id: g.id });
    }
    return publicUser(user);
  }],
  ['DELETE', '/users/@me/guilds/:guild', ({ user, guild }) => {
    guild.members.delete(user.id);
    toUser(user.id, 'GUILD_DELETE', { id: guild.id });
    toGuild(guild, 'GUILD_MEMBER_REMOVE', { guild_id: guild.id, user: publicUser(user) });
  }],
  ['POST', '/guilds', ({ user, body }) => {
    if (!body.name?.trim()) throw field('name', 'A name is needed.');
    const guild = makeGuild(user, body.name.trim());
    toUser(user.id, 'GUILD_CREATE', guildFull(guild));
    return guildView(guild);
  }],
  ['GET', '/guilds/:guild', ({ guild }) => guildView(guild)],
  ['DELETE', '/guilds/:guild', ({ guild }) => {
    toGuild(guild, 'GUILD_DELETE', { id: guild.id });
    guilds.delete(guild.id);
  }],
  ['GET', '/guilds/:guild/channels', ({ guild }) => guild.channels.map(channelView)],
  ['POST', '/guilds/:guild/channels', ({ guild, body }) => {
    const channel = makeChannel(guild, body.name);
    toGuild(guild, 'CHANNEL_CREATE', channelView(channel));
    return channelView(channel);
  }],
  ['GET', '/guilds/:guild/members', ({ guild, query }) => {
    const after = BigInt(query.get('after') ?? '0');
    return [...guild.members.values()].filter((m) => BigInt(m.user.id) > after).slice(0, Number(query.get('limit') ?? 50));
  }],
  ['PATCH', '/channels/:channel', ({ channel, body }) => {
    if (body.name) channel.name = body.name;
    if (body.topic !== undefined) channel.topic = body.topic;
    toGuild(guilds.get(channel.guild_id), 'CHANNEL_UPDATE', channelView(channel));
    return channelView(channel);
  }],
  ['DELETE', '/channels/:channel', ({ channel }) => {
    const guild = guilds.get(channel.guild_id);
    guild.channels = guild.channels.filter((c) => c !== channel);
    channels.delete(channel.id);
    toGuild(guild, 'CHANNEL_DELETE', channelView(channel));
    return channelView(channel);
  }],
  ['POST', '/channels/:channel/invites', ({ channel }) => {
    const code = randomBytes(6).toString('base64url').replace(/[-_]/g, 'x');
    invites.set(code, channel.id);
    return inviteView(code);
  }],
  ['GET', '/invites/:code', ({ code }) => inviteView(code), 'open'],
  ['POST', '/invites/:code', ({ code, user }) => {
    const view = inviteView(code);
    const guild = guilds.get(view.guild.id);
    if (!guild.members.has(user.id)) {
      const member = joinGuild(guild, user);
      toUser(user.id, 'GUILD_CREATE', guildFull(guild));
      toGuild(guild, 'GUILD_MEMBER_ADD', { ...member, guild_id: guild.id }, user.id);
      presence(user.id);
    }
    return view;
  }],
  ['GET', '/channels/:channel/messages', ({ channel, query }) => {
    const limit = Number(query.get('limit') ?? 50);
    if (query.has('after_seq')) return channel.log.filter((m) => m.seq > Number(query.get('after_seq'))).slice(0, limit);
    let list = channel.log.filter((m) => !m.deleted);
    if (query.has('before')) list = list.filter((m) => BigInt(m.id) < BigInt(query.get('before')));
    return list.slice(-limit).reverse();
  }],
  ['POST', '/channels/:channel/messages', ({ channel, user, body }) => {
    if (refuseNext > 0) {
      refuseNext--;
      throw new Refusal(403, 50013, 'Missing Permissions');
    }
    const { message, fresh } = addMessage(channel, user, body.content, body.nonce);
    if (fresh) publish(channel, message);
    return message;
  }],
  ['PATCH', '/channels/:channel/messages/:message', ({ channel, message, body }) => {
    message.content = body.content;
    message.edited_timestamp = new Date().toISOString();
    toGuild(guilds.get(channel.guild_id), 'MESSAGE_UPDATE', message);
    return message;
  }],
  ['DELETE', '/channels/:channel/messages/:message', ({ channel, message }) => {
    const at = channel.log.indexOf(message);
    channel.log[at] = { id: message.id, seq: message.seq, deleted: true };
    toGuild(guilds.get(channel.guild_id), 'MESSAGE_DELETE', { id: message.id, channel_id: channel.id, guild_id: channel.guild_id, seq: message.seq });
  }],
  ['POST', '/channels/:channel/typing', ({ channel, user }) => {
    const guild = guilds.get(channel.guild_id);
    toGuild(guild, 'TYPING_START', {
      channel_id: channel.id, guild_id: guild.id, user_id: user.id, timestamp: Math.floor(Date.now() / 1000), member: guild.members.get(user.id),
    });
  }],
  ['PUT', '/channels/:channel/read', ({ channel, user, body }) => {
    if (!reads.has(user.id)) reads.set(user.id, new Map());
    reads.get(user.id).set(channel.id, body.message_id);
    toUser(user.id, 'MESSAGE_ACK', { channel_id: channel.id, message_id: body.message_id });
  }],
].map(([method, path, run, access]) => ({
  method, run, open: access === 'open' || /^\/auth\/(register|login|refresh)$/.test(path),
  names: [...path.matchAll(/:(\w+)/g)].map((m) => m[1]),
  match: new RegExp(`^${path.replace(/:\w+/g, '([^/]+)')}$`),
}));

const inviteView = (code) => {
  const channel = need(channels.get(invites.get(code)), 10006, 'Unknown Invite');
  const guild = guilds.get(channel.guild_id);
  return {
    code, uses: 0, max_uses: 0, expires_at: null, channel: { id: channel.id, name: channel.name },
    guild: { id: guild.id, name: guild.name }, approximate_member_count: guild.members.size,
  };
};

const api = (method, url, token, body) => {
  const path = url.pathname.slice('/api/v1'.length);
  for (const route of routes) {
    const found = route.method === method && route.match.exec(path);
    if (!found) continue;
    const at = { body, query: url.searchParams };
    const who = access.get(token);
    if (!route.open) {
      if (!who || who.until < Date.now()) throw new Refusal(401, 0, '401: Unauthorized');
      at.user = users.get(who.user);
    }
    route.names.forEach((name, i) => {
      const value = decodeURIComponent(found[i + 1]);
      if (name === 'guild') at.guild = need(guilds.get(value), 10004, 'Unknown Guild');
      else if (name === 'channel') at.channel = need(channels.get(value), 10003, 'Unknown Channel');
      else if (name === 'message') at.message = need(at.channel.log.find((m) => m.id === value && !m.deleted), 10008, 'Unknown Message');
      else at[name] = value;
    });
    return route.run(at);
  }
  throw new Refusal(404, 0, '404: Not Found');
};

const dev = (url) => {
  const n = Number(url.searchParams.get('n') ?? 1);
  if (url.pathname === '/__dev/drop') dropNext = n;
  else if (url.pathname === '/__dev/refuse') refuseNext = n;
  else if (url.pathname === '/__dev/away') awayUntil = Date.now() + Number(url.searchParams.get('ms') ?? 10000);
  else if (url.pathname === '/__dev/forget') for (const s of sessions.values()) sessions.delete(s.id);
  if (/cut|forget|away/.test(url.pathname)) for (const c of sockets.clients) c.terminate();
};

const file = async (path) => {
  const name = normalize(join(dist, path));
  if (!name.startsWith(dist)) throw new Error('outside');
  return { type: TYPES[extname(name)] ?? 'application/octet-stream', data: await readFile(name) };
};

const server = createServer(async (request, response) => {
  const url = new URL(request.url, 'http://localhost');
  if (url.pathname.startsWith('/__dev/')) {
    dev(url);
    return response.writeHead(204).end();
  }
  if (Date.now() < awayUntil && url.pathname.startsWith('/api/')) return request.socket.destroy();
  if (!url.pathname.startsWith('/api/v1/')) {
    const found = await file(url.pathname === '/' ? 'index.html' : url.pathname).catch(() => file('index.html')).catch(() => null);
    if (!found) return response.writeHead(404).end('Build the page first.');
    return response.writeHead(200, { 'content-type': found.type }).end(found.data);
  }
  let text = '';
  for await (const part of request) text += part;
  try {
    const token = (request.headers.authorization ?? '').replace(/^Bearer /, '');
    const answer = api(request.method, url, token, text ? JSON.parse(text) : {});
    if (answer === undefined) response.writeHead(204).end();
    else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  } catch (error) {
    const body = { code: error.code ?? 0, message: error.message, ...(error.errors ? { errors: error.errors } : {}) };
    response.writeHead(error.http ?? 500, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  }
});
server.on('upgrade', (request, socket, head) => {
  if (Date.now() < awayUntil || !request.url.startsWith('/gateway')) return socket.destroy();
  sockets.handleUpgrade(request, socket, head, (ws) => sockets.emit('connection', ws));
});

/* ---- something to look at ---- */
const hour = 3600000;
const people = ['maren', 'tobias', 'yuki', 'adaeze', 'leo', 'ines', 'soren', 'priya', 'mateo'].map((name, i) =>
  makeUser(name, 'password', ['Maren', 'Tobias K.', 'Yuki', 'Adaeze', null, 'Inês', 'Søren', 'Priya', null][i]),
);
const [maren, tobias, yuki, adaeze, leo, ines] = people;
const field1 = makeGuild(maren, 'Fieldnotes');
for (const p of people) if (!field1.members.has(p.id)) joinGuild(field1, p);
const general = field1.channels[0];
general.topic = 'Everything about the spring bird count — be kind, add coordinates.';
const telescope = makeChannel(field1, 'telescope-night', 'Clear skies only');
const gear = makeChannel(field1, 'gear');
makeChannel(field1, 'introductions');
const other = makeGuild(tobias, 'Workshop Radio');
joinGuild(other, maren);
makeGuild(maren, 'Book Circle');
const start = Date.now() - 30 * hour;
for (let i = 0; i < 240; i++) {
  addMessage(general, people[(i * 7 + Math.floor(i / 3)) % people.length], `Point ${i + 1}: ${['two nuthatches', 'nothing yet', 'a heron over the reeds', 'wind from the west', 'great tits, at least five'][i % 5]}`, undefined, start + i * 60000);
}
const lines = [
  [tobias, 'Morning! The counters at the north pond are set up.', 3.1],
  [tobias, 'Batteries should last until Sunday evening.', 3.08],
  [adaeze, 'Wonderful. I will walk the ridge at seven and post what I hear.', 3.0],
  [yuki, 'Map with all the points: https://maps.example.org/spring-count?layer=points — tell me if something is missing.', 1.2],
  [maren, 'Point 14 is on the wrong side of the fence.', 1.15],
  [yuki, 'Fixed, thank you.', 1.1],
  [ines, 'Two people asked whether they may bring children. I said yes; please keep to the boardwalk with them, the meadow is still nesting ground and the warden has already asked us once.', 0.5],
  [leo, 'I can lend four pairs of binoculars.', 0.3],
  [maren, 'Perfect. See you all at the gate at 06:45.', 0.2],
];
for (const [who, text, ago] of lines) addMessage(general, who, text, undefined, Date.now() - ago * hour);
general.log[general.log.length - 4].edited_timestamp = new Date().toISOString();
addMessage(telescope, ines, 'Forecast says clear from eleven.', undefined, Date.now() - hour);
addMessage(gear, tobias, 'Who still has the long tripod?', undefined, Date.now() - 2 * hour);
forced.set(tobias.id, 'online');
forced.set(yuki.id, 'idle');
forced.set(adaeze.id, 'online');
forced.set(ines.id, 'dnd');
reads.set(maren.id, new Map([[general.id, general.last_message_id], [gear.id, gear.last_message_id]]));
invites.set('fieldnotes', general.id);

server.listen(port, '127.0.0.1', () => console.log(`mock server at http://127.0.0.1:${port} (maren / password)`));
