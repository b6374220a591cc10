import type { Clock } from '../lib/clock';
import { idTime } from '../lib/snowflake';
import { exclusive } from '../net/exclusive';
import type { GatewayStatus, SocketLike } from '../net/gateway';
import { Gateway, Op } from '../net/gateway';
import { Rest, RestError, SignedOutError } from '../net/rest';
import { SeqTracker } from '../net/seqtrack';
import type { Channel, Guild, Id, Invite, Message, Ready, User } from '../net/types';
import type { Connection, OutboxEntry, State } from './model';
import { initialState } from './model';
import { Outbox } from './outbox';
import type { Action } from './reducer';
import { inOrder, reduce } from './reducer';
import { loadPlaces, onSessionChange, outboxStorage, savePlaces, tokenStore } from './storage';
import type { Store } from './store';
import { createStore, perFrame } from './store';

/* GUILDS, MEMBERS, PRESENCES, MESSAGES, REACTIONS, TYPING, the three of direct messages, MESSAGE_CONTENT. */
const INTENTS = [0, 1, 8, 9, 10, 11, 12, 13, 14, 15].reduce((sum, bit) => sum | (1 << bit), 0);
const PAGE = 50;
const RECONCILE_PAGE = 100;
const KEPT_PER_CHANNEL = 150;
const MEMBER_PAGE = 100;
const MEMBER_PAGES = 5;
const TYPING_EVERY_MS = 8_000;
const READ_DELAY_MS = 800;
/** A guild joined by REST that the gateway has not told of by then is asked for. */
const GUILD_WAIT_MS = 2_000;
/** Failed attempts before the banner says "offline". */
const OFFLINE_AFTER = 3;

const NOTICES: Record<string, string> = {
  replaced: 'Nexus was opened in another place, which took over this connection.',
  disabled: 'This account has been disabled.',
  refused: 'The server does not accept this version of the page. Reload it.',
};

/** The banner's view of the gateway. Pure. */
export const connectionOf = (status: GatewayStatus, online: boolean): Connection => {
  if (status.phase === 'ready') return { state: 'ready', retryAt: 0, notice: null };
  const notice = status.stopReason ? (NOTICES[status.stopReason] ?? null) : null;
  if (notice || !online || status.failures > OFFLINE_AFTER) return { state: 'offline', retryAt: status.retryAt, notice };
  return { state: status.wasReady ? 'reconnecting' : 'connecting', retryAt: status.retryAt, notice: null };
};

/** Everything between the wire and the screen, wired together; one per page. */
export class Client {
  readonly store: Store<State, Action>;
  readonly rest: Rest;
  private readonly gateway: Gateway;
  private readonly seqs: SeqTracker;
  private outbox: Outbox | null = null;
  private places = loadPlaces();
  private readonly membersAsked = new Set<Id>();
  private readonly lastTyping = new Map<Id, number>();
  private readTimer = 0;
  private readonly readSent = new Map<Id, Id>();
  private typingTimer = 0;
  /** Who waits to hear of a community. */
  private readonly guildWaits = new Map<Id, () => void>();
  /** The communities READY named; their contents follow one by one. */
  private expected = new Set<Id>();

  constructor(private readonly clock: Clock) {
    this.store = createStore(reduce, initialState, perFrame);
    this.rest = new Rest({
      base: '/api/v1',
      fetch: (input, init) => fetch(input, init),
      clock,
      tokens: tokenStore,
      exclusive: exclusive('refresh', clock),
      onSignedOut: () => this.leave(),
    });
    this.gateway = new Gateway({
      url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/gateway`,
      open: (url) => new WebSocket(url) as unknown as SocketLike,
      clock,
      token: (refused) => this.rest.token(refused),
      isFinal: (error) => error instanceof SignedOutError,
      intents: INTENTS,
      onDispatch: (type, data) => this.onDispatch(type, data),
      onStatus: (status) => this.onStatus(status),
    });
    this.seqs = new SeqTracker({
      clock,
      fetchAfter: (channel, seq, limit) => this.rest.messagesAfterSeq(channel, seq, limit),
      apply: (channel, items) => this.store.dispatch({ type: 'items', channel, items }),
      reset: (channel) => this.reload(channel),
      isFinal: (error) => error instanceof SignedOutError || (error instanceof RestError && !error.temporary),
    });
    addEventListener('online', () => {
      if (this.gateway.status.stopReason === null) this.gateway.retryNow();
      this.gateway.probe();
      this.onStatus(this.gateway.status);
    });
    addEventListener('offline', () => {
      this.gateway.probe();
      this.onStatus(this.gateway.status);
    });
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState !== 'visible') return;
      if (this.gateway.status.stopReason === null) this.gateway.retryNow();
      this.gateway.probe();
      this.scheduleRead();
    });
    addEventListener('focus', () => this.scheduleRead());
    onSessionChange(() => this.followSession());
  }

  get state(): State {
    return this.store.get();
  }

  /** Goes on where the last visit ended. */
  start(): void {
    const tokens = tokenStore.load();
    if (tokens) this.enter(tokens.user);
  }

  async register(username: string, password: string): Promise<void> {
    this.enter((await this.rest.register(username, password)).user);
  }

  async login(username: string, password: string): Promise<void> {
    this.enter((await this.rest.login(username, password)).user);
  }

  async logout(): Promise<void> {
    this.gateway.disconnect();
    this.outbox?.clear();
    await this.rest.logout();
    this.leave();
  }

  retryConnection(): void {
    this.gateway.retryNow();
  }

  private enter(user: User): void {
    this.outbox?.close();
    this.outbox = new Outbox({
      clock: this.clock,
      storage: outboxStorage(user.id),
      sendLive: (entry) =>
        this.gateway.send(Op.sendMessage, { channel_id: entry.channel_id, content: entry.content, nonce: entry.nonce }),
      sendRest: async (entry) => {
        try {
          return { kind: 'sent', message: await this.rest.sendMessage(entry.channel_id, entry.content, entry.nonce) };
        } catch (error) {
          if (error instanceof RestError && !error.temporary && error.status !== 401) {
            return { kind: 'refused', reason: Object.values(error.fields)[0] ?? error.message };
          }
          return { kind: 'unknown' };
        }
      },
      onSilence: () => this.gateway.probe(),
      onChange: (entries) => this.store.dispatch({ type: 'outbox', entries }),
      onSent: (entry, id, seq, message) => this.onSent(entry, id, seq, message),
    });
    this.store.dispatch({ type: 'login', user, outbox: this.outbox.list });
    this.gateway.connect();
  }

  private leave(): void {
    this.gateway.disconnect();
    this.outbox?.close();
    this.outbox = null;
    this.seqs.clear();
    this.membersAsked.clear();
    this.readSent.clear();
    tokenStore.save(null);
    if (this.state.me) this.store.dispatch({ type: 'logout' });
  }

  /* Another tab changed who is logged in. */
  private followSession(): void {
    const tokens = tokenStore.load();
    const me = this.state.me;
    if (!tokens) {
      if (me) this.leave();
    } else if (!me) {
      this.enter(tokens.user);
    } else if (me.id !== tokens.user.id) {
      location.reload();
    }
  }

  private onStatus(status: GatewayStatus): void {
    if (status.stopReason === 'signed-out') {
      if (this.state.me) this.leave();
      return;
    }
    this.outbox?.setLive(status.phase === 'ready');
    this.store.dispatch({ type: 'connection', connection: connectionOf(status, navigator.onLine !== false) });
  }

  private onSent(entry: OutboxEntry, id: Id, seq: number | undefined, message: Message | undefined): void {
    const me = this.state.me;
    if (!me) return;
    const stored: Message = message ?? {
      id,
      channel_id: entry.channel_id,
      author: me,
      content: entry.content,
      timestamp: new Date(idTime(id)).toISOString(),
      edited_timestamp: null,
      nonce: entry.nonce,
      ...(seq === undefined ? {} : { seq }),
    };
    /* The live event may have come first and may have been edited since. */
    if (!this.state.messages[entry.channel_id]?.list.some((m) => m.id === id)) this.store.dispatch({ type: 'message', message: stored });
    this.store.dispatch({ type: 'read', channel: entry.channel_id, message: id });
  }

  private onDispatch(event: string, data: unknown): void {
    const before = this.state;
    if (event === 'READY') this.dropIdleWindows(before);
    this.store.dispatch({ type: 'dispatch', event, data, now: this.clock.now() });
    switch (event) {
      case 'READY':
        this.expected = new Set((data as Ready).guilds.map((g) => g.id));
        this.membersAsked.clear();
        this.repairWindow();
        this.settle();
        break;
      case 'RESUMED':
        this.repairWindow();
        break;
      case 'GUILD_CREATE':
        this.onGuild(data as Guild, before);
        break;
      case 'CHANNEL_CREATE':
        this.seqs.baseline((data as { id: Id }).id, (data as { last_seq?: number }).last_seq ?? 0);
        this.settle();
        break;
      case 'CHANNEL_DELETE':
        this.seqs.forget((data as { id: Id }).id);
        this.dropLostMail(before);
        this.settle();
        break;
      case 'GUILD_DELETE':
        this.dropLostMail(before);
        this.settle();
        break;
      case 'MESSAGE_CREATE': {
        const message = data as Message;
        if (message.seq !== undefined) this.seqs.observe(message.channel_id, message.seq);
        if (message.nonce != null && message.author.id === this.state.me?.id) {
          this.outbox?.acknowledge(String(message.nonce), message.id, message.seq, message);
        }
        if (message.channel_id === this.state.route.channel) this.scheduleRead();
        break;
      }
      case 'TYPING_START':
        this.planTypingExpiry();
        break;
      case 'NEXUS_MESSAGE_ACK': {
        const d = data as { nonce: string | number; id: Id; seq?: number };
        this.outbox?.acknowledge(String(d.nonce), d.id, d.seq);
        break;
      }
      case 'NEXUS_MESSAGE_REFUSED': {
        const d = data as { nonce: string | number; code: number; message: string; retry_after?: number };
        this.outbox?.refuse(String(d.nonce), d.code, d.message, d.retry_after === undefined ? undefined : d.retry_after * 1000);
        break;
      }
      case 'NEXUS_RESYNC': {
        const d = data as { channel_id: Id; last_seq: number };
        const shown = this.state.messages[d.channel_id]?.status === 'loaded';
        if (shown && d.channel_id !== this.state.route.channel) {
          this.store.dispatch({ type: 'window-drop', channels: [d.channel_id] });
        }
        this.seqs.reach(d.channel_id, d.last_seq);
        if (shown && d.channel_id === this.state.route.channel) void this.reconcile(d.channel_id);
        break;
      }
    }
  }

  /* After a new session nothing that was loaded may be trusted; only what is on the screen is worth repairing. */
  private dropIdleWindows(state: State): void {
    const channels = Object.keys(state.messages).filter((id) => id !== state.route.channel);
    this.store.dispatch({ type: 'window-drop', channels });
    for (const channel of channels) this.seqs.forget(channel);
  }

  /* Messages to a channel that has just gone can neither arrive nor be seen. */
  private dropLostMail(before: State): void {
    for (const entry of before.outbox) {
      if (before.channels[entry.channel_id] && !this.state.channels[entry.channel_id]) this.outbox?.discard(entry.nonce);
    }
  }

  private repairWindow(): void {
    const channel = this.state.route.channel;
    if (channel && this.state.messages[channel]?.status === 'failed') void this.open(channel);
  }

  private onGuild(guild: Guild, before: State): void {
    for (const channel of guild.channels ?? []) {
      const seq = channel.last_seq ?? 0;
      const window = this.state.messages[channel.id];
      if (window?.status === 'loaded' && before.synced) {
        this.seqs.reach(channel.id, seq);
        void this.reconcile(channel.id);
      } else {
        this.seqs.baseline(channel.id, seq);
      }
    }
    this.guildWaits.get(guild.id)?.();
    this.settle();
    if (guild.id === this.state.route.guild) void this.loadMembers(guild.id);
  }

  /* Finds edits and deletions that happened while nobody listened. */
  private async reconcile(channel: Id): Promise<void> {
    try {
      const page = await this.rest.messages(channel, { limit: RECONCILE_PAGE });
      this.store.dispatch({ type: 'reconcile', channel, page });
    } catch {
      /* The next resync tries again. */
    }
  }

  private reload(channel: Id): void {
    if (!this.state.messages[channel]) return;
    this.store.dispatch({ type: 'window-drop', channels: [channel] });
    if (this.state.route.channel === channel) void this.open(channel);
  }

  /** Brings the page to a place that exists: the route's channel, or the community's last or first one. */
  private settle(): void {
    const { route, guilds, channels, guildOrder, synced } = this.state;
    if (!synced) return;
    let guild = route.guild && guilds[route.guild] ? route.guild : null;
    if (!guild && route.channel) guild = channels[route.channel]?.guild_id ?? null;
    /* A community in the address may still be on its way. */
    if (!guild && route.guild && this.expected.has(route.guild)) return;
    guild ??= guildOrder[0] ?? null;
    if (!guild) return;
    const channel = route.channel && channels[route.channel]?.guild_id === guild ? route.channel : this.defaultChannel(guild);
    if (guild !== route.guild || channel !== route.channel) this.go(guild, channel, true);
    else if (channel && !this.state.messages[channel]) void this.open(channel);
  }

  private defaultChannel(guild: Id): Id | null {
    const list = this.channelsOf(guild);
    const last = this.places[guild];
    return list.find((c) => c.id === last)?.id ?? list[0]?.id ?? null;
  }

  /** Shows the channel above or below the one on the screen. */
  step(by: 1 | -1): void {
    const { guild, channel } = this.state.route;
    if (!guild || !channel) return;
    const list = this.channelsOf(guild);
    const at = list.findIndex((c) => c.id === channel);
    const next = list[(at + by + list.length) % list.length];
    if (next) this.go(guild, next.id);
  }

  private channelsOf(guild: Id): Channel[] {
    return Object.values(this.state.channels)
      .filter((c) => c.guild_id === guild && c.type === 0)
      .sort(inOrder);
  }

  /** Shows a community, in the channel it was left in. */
  goGuild(guild: Id): void {
    this.go(guild, this.defaultChannel(guild));
  }

  go(guild: Id | null, channel: Id | null, replace = false): void {
    const old = this.state.route;
    const path = guild ? `/#/${guild}${channel ? `/${channel}` : ''}` : '/';
    if (location.pathname + location.hash !== path) history[replace ? 'replaceState' : 'pushState'](null, '', path);
    this.arrive({ guild, channel }, old.channel);
  }

  /** The address was changed by the browser's own buttons. */
  arriveAtAddress(): void {
    const [, guild, channel] = /^#\/(\d+)(?:\/(\d+))?/.exec(location.hash) ?? [];
    this.arrive({ guild: guild ?? null, channel: channel ?? null }, this.state.route.channel);
    this.settle();
  }

  private arrive(route: { guild: Id | null; channel: Id | null }, from: Id | null): void {
    const changed = route.channel !== this.state.route.channel;
    this.store.dispatch({ type: 'route', route });
    if (from && from !== route.channel) this.store.dispatch({ type: 'window-trim', channel: from, keep: KEPT_PER_CHANNEL });
    const { guild, channel } = route;
    if (guild && this.state.guilds[guild]) void this.loadMembers(guild);
    if (!channel || !this.state.channels[channel]) return;
    if (guild && this.places[guild] !== channel) {
      this.places = { ...this.places, [guild]: channel };
      savePlaces(this.places);
    }
    void this.open(channel);
    if (changed) {
      this.store.dispatch({ type: 'divider', channel, after: this.unreadFrom(channel) });
      this.scheduleRead();
    }
  }

  /* Where the line of new messages is drawn: nowhere when there are none, or when none was ever read. */
  private unreadFrom(channel: Id): Id | null {
    const read = this.state.reads[channel];
    const last = this.state.channels[channel]?.last_message_id;
    return read && last && read !== last ? read : null;
  }

  /** Loads a channel's newest messages unless they are there. */
  async open(channel: Id): Promise<void> {
    const window = this.state.messages[channel];
    if (window && window.status !== 'failed') return;
    this.store.dispatch({ type: 'window-open', channel });
    this.store.dispatch({ type: 'divider', channel, after: this.unreadFrom(channel) });
    try {
      const page = await this.rest.messages(channel, { limit: PAGE });
      this.store.dispatch({ type: 'window-loaded', channel, page, hasOlder: page.length >= PAGE });
      this.scheduleRead();
    } catch {
      this.store.dispatch({ type: 'window-failed', channel });
    }
  }

  async loadOlder(channel: Id): Promise<void> {
    const window = this.state.messages[channel];
    const first = window?.list[0];
    if (!window || !first || window.status !== 'loaded' || !window.hasOlder || window.older === 'loading') return;
    this.store.dispatch({ type: 'older-loading', channel });
    try {
      const page = await this.rest.messages(channel, { before: first.id, limit: PAGE });
      this.store.dispatch({ type: 'older-loaded', channel, page, hasOlder: page.length >= PAGE });
    } catch {
      this.store.dispatch({ type: 'older-failed', channel });
    }
  }

  /** Shortens a long window whose end is being read. */
  trim(channel: Id): void {
    if ((this.state.messages[channel]?.list.length ?? 0) > 3 * KEPT_PER_CHANNEL) {
      this.store.dispatch({ type: 'window-trim', channel, keep: KEPT_PER_CHANNEL });
    }
  }

  private async loadMembers(guild: Id): Promise<void> {
    if (this.membersAsked.has(guild)) return;
    this.membersAsked.add(guild);
    try {
      let after: Id | undefined;
      for (let page = 0; page < MEMBER_PAGES; page++) {
        const members = await this.rest.members(guild, MEMBER_PAGE, after);
        this.store.dispatch({ type: 'members', guild, members });
        if (members.length < MEMBER_PAGE) break;
        after = members[members.length - 1]!.user.id;
      }
    } catch {
      this.membersAsked.delete(guild);
    }
  }

  send(channel: Id, content: string): void {
    this.outbox?.add(channel, content);
    this.lastTyping.delete(channel);
    this.store.dispatch({ type: 'divider', channel, after: null });
  }

  retry(nonce: string): void {
    this.outbox?.retry(nonce);
  }

  discard(nonce: string): void {
    this.outbox?.discard(nonce);
  }

  async edit(message: Message, content: string): Promise<void> {
    this.store.dispatch({ type: 'message', message: await this.rest.editMessage(message.channel_id, message.id, content) });
  }

  async remove(message: Message): Promise<void> {
    try {
      await this.rest.deleteMessage(message.channel_id, message.id);
    } catch (error) {
      if (!(error instanceof RestError && error.status === 404)) throw error;
    }
    this.store.dispatch({ type: 'message-gone', channel: message.channel_id, id: message.id });
  }

  /** The person is writing. Tells the others, but not with every key. */
  noteTyping(channel: Id): void {
    const now = this.clock.now();
    if (!this.gateway.ready || now - (this.lastTyping.get(channel) ?? 0) < TYPING_EVERY_MS) return;
    this.lastTyping.set(channel, now);
    this.rest.typing(channel).catch(() => undefined);
  }

  private planTypingExpiry(): void {
    if (this.typingTimer) return;
    this.typingTimer = this.clock.after(1000, () => {
      this.typingTimer = 0;
      this.store.dispatch({ type: 'typing-expire', now: this.clock.now() });
      if (Object.keys(this.state.typing).length > 0) this.planTypingExpiry();
    });
  }

  /** Set by the message list: the newest message is in view. */
  atEnd = true;

  /** Marks the channel on the screen as read, when somebody is looking at its end. */
  scheduleRead(): void {
    if (this.readTimer) return;
    this.readTimer = this.clock.after(READ_DELAY_MS, () => {
      this.readTimer = 0;
      const channel = this.state.route.channel;
      const window = channel ? this.state.messages[channel] : undefined;
      const last = window?.list[window.list.length - 1];
      if (!channel || !last || window?.status !== 'loaded' || !this.atEnd || document.visibilityState !== 'visible') return;
      if (this.readSent.get(channel) === last.id) return;
      /* A channel that was read elsewhere up to here needs no word from us. */
      const known = this.state.reads[channel];
      this.store.dispatch({ type: 'read', channel, message: last.id });
      this.readSent.set(channel, last.id);
      if (known === last.id && last.author.id !== this.state.me?.id) return;
      this.rest.read(channel, last.id).catch(() => this.readSent.delete(channel));
    });
  }

  async createGuild(name: string): Promise<void> {
    const guild = await this.rest.createGuild(name);
    this.adopt(guild);
    this.goGuild(guild.id);
  }

  private adopt(guild: Guild): void {
    this.store.dispatch({ type: 'guild', guild });
    for (const channel of guild.channels ?? []) this.seqs.baseline(channel.id, channel.last_seq ?? 0);
  }

  /** Joins and shows what was joined. */
  async join(code: string): Promise<Invite> {
    const invite = await this.rest.join(code);
    const guild = invite.guild?.id;
    if (!guild) return invite;
    await this.awaitGuild(guild);
    const channel = invite.channel?.id;
    if (channel && this.state.channels[channel]) this.go(guild, channel, true);
    else this.goGuild(guild);
    return invite;
  }

  private async awaitGuild(id: Id): Promise<void> {
    const known = (): boolean => this.defaultChannel(id) !== null;
    if (known()) return;
    await new Promise<void>((done) => {
      const timer = this.clock.after(GUILD_WAIT_MS, done);
      this.guildWaits.set(id, () => {
        this.clock.cancel(timer);
        done();
      });
    });
    this.guildWaits.delete(id);
    if (known()) return;
    const [guild, channels] = await Promise.all([this.rest.guild(id), this.rest.channels(id)]);
    this.adopt({ ...guild, channels });
  }

  async leaveGuild(guild: Id): Promise<void> {
    await this.rest.leaveGuild(guild);
    this.store.dispatch({ type: 'guild-gone', guild });
    this.settle();
  }

  async deleteGuild(guild: Id): Promise<void> {
    await this.rest.deleteGuild(guild);
    this.store.dispatch({ type: 'guild-gone', guild });
    this.settle();
  }

  async createChannel(guild: Id, name: string): Promise<void> {
    const channel = { guild_id: guild, ...(await this.rest.createChannel(guild, name)) };
    this.store.dispatch({ type: 'channel', channel });
    this.seqs.baseline(channel.id, channel.last_seq ?? 0);
    this.go(guild, channel.id);
  }

  async editChannel(id: Id, change: { name?: string; topic?: string | null }): Promise<void> {
    this.store.dispatch({ type: 'channel', channel: await this.rest.editChannel(id, change) });
  }

  async deleteChannel(id: Id): Promise<void> {
    await this.rest.deleteChannel(id);
    this.store.dispatch({ type: 'dispatch', event: 'CHANNEL_DELETE', data: { id }, now: this.clock.now() });
    this.seqs.forget(id);
    this.settle();
  }

  async rename(global_name: string | null): Promise<void> {
    this.store.dispatch({ type: 'me', user: await this.rest.editMe({ global_name }) });
  }
}
