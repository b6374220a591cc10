/**
 * Drives the built page against the mock server in a real browser: checks what a person would notice and takes
 * pictures. Needs `npm i --no-save playwright-core` and a Chromium. Usage: node dev/shots.mjs FOLDER [CHROMIUM]
 */
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const { chromium } = createRequire(join(process.cwd(), 'x.js'))('playwright-core');
const folder = process.argv[2] ?? 'shots';
const executablePath = process.argv[3] ?? '/usr/bin/chromium';
const port = 18000 + (process.pid % 2000);
const base = `http://127.0.0.1:${port}`;
mkdirSync(folder, { recursive: true });

const mock = spawn(process.execPath, [fileURLToPath(new URL('mock.mjs', import.meta.url)), String(port)], { stdio: 'inherit' });
const browser = await chromium.launch({ executablePath, headless: true, args: ['--no-sandbox', '--disable-gpu'] });
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const fault = (what) => fetch(`${base}/__dev/${what}`, { method: 'POST' });
let failed = 0;
const check = (ok, what) => {
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${what}`);
  if (!ok) failed++;
};
const strangers = [];
const open = async (options = {}) => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: 'dark', ...options });
  const page = await context.newPage();
  page.on('console', (m) => ['error', 'warning'].includes(m.type()) && !/ERR_|Failed to load|WebSocket connection/.test(m.text()) && check(false, `console: ${m.text()}`));
  page.on('pageerror', (e) => check(false, `page error: ${e.message}`));
  page.on('request', (r) => !r.url().startsWith(base) && !r.url().startsWith('data:') && strangers.push(r.url()));
  return page;
};
const id = (page, name) => page.getByTestId(name);
const shot = (page, name) => page.screenshot({ path: join(folder, `${name}.png`) });
const login = async (page, name) => {
  await page.goto(base);
  await id(page, 'login-username').fill(name);
  await id(page, 'login-password').fill('password');
  await id(page, 'login-submit').click();
  await page.waitForSelector('[data-testid=connection-state][data-state=ready]', { state: 'attached' });
  await id(page, 'message-item').first().waitFor();
};
const say = async (page, text) => {
  await id(page, 'message-input').fill(text);
  await id(page, 'message-input').press('Enter');
};
const texts = (page) => page.locator('[data-testid=message-item] [data-testid=message-content]').allTextContents();
const has = (page, text, state = 'sent') =>
  page.locator(`[data-testid=message-item][data-state=${state}]`, { hasText: text }).last().waitFor({ timeout: 15000 }).then(() => true, () => false);
const once = async (page, text) => (await texts(page)).filter((t) => t === text).length === 1;

try {
  await wait(500);
  const maren = await open();
  await maren.goto(base);
  await shot(maren, 'login-dark');
  await login(maren, 'maren');
  await wait(300);
  await shot(maren, 'chat-dark');

  const light = await open({ colorScheme: 'light' });
  await light.goto(base);
  await shot(light, 'login-light');
  await login(light, 'yuki');
  await wait(300);
  await shot(light, 'chat-light');

  /* A newcomer follows a link. */
  await id(maren, 'invite-create-button').click();
  await maren.waitForFunction(() => document.querySelector('[data-testid=invite-code]')?.textContent);
  await wait(200);
  await shot(maren, 'invite');
  const code = await id(maren, 'invite-code').textContent();
  await maren.keyboard.press('Escape');
  const newcomer = await open({ colorScheme: 'light' });
  await newcomer.goto(`${base}/invite/${code}`);
  await wait(300);
  await shot(newcomer, 'invited');
  await id(newcomer, 'register-username').fill('newcomer');
  await id(newcomer, 'register-password').fill('short');
  await id(newcomer, 'register-submit').click();
  check(await newcomer.getByText('Use at least 8 characters.').waitFor().then(() => true, () => false), 'a refused field says why');
  await id(newcomer, 'register-password').fill('long enough words');
  await id(newcomer, 'register-submit').click();
  await id(newcomer, 'message-item').first().waitFor();
  check(newcomer.url().startsWith(`${base}/#/`), 'joining by a link ends in the community');
  check(await maren.locator('[data-testid=member-item][data-status=online]', { hasText: 'newcomer' }).waitFor().then(() => true, () => false), 'the others see the newcomer online');

  /* Live talk. */
  await id(newcomer, 'message-input').pressSequentially('Hello');
  await id(maren, 'typing-indicator').waitFor();
  check((await id(maren, 'typing-indicator').textContent()).includes('newcomer is typing'), 'typing is shown');
  await shot(maren, 'typing');
  await say(newcomer, 'Hello everyone <b>bold?</b> see http://example.org/a_(b).');
  check(await has(maren, 'Hello everyone <b>bold?</b>'), 'a message arrives, as text');
  check((await maren.locator('a[href="http://example.org/a_(b)"]').count()) === 1, 'an address becomes a link');
  check((await id(maren, 'typing-indicator').count()) === 0, 'typing ends with the message');
  const own = newcomer.locator('[data-testid=message-item]', { hasText: 'Hello everyone' });
  await own.hover();
  await own.getByTestId('message-edit').click();
  await id(newcomer, 'message-edit-input').fill('Hello all');
  await id(newcomer, 'message-edit-input').press('Enter');
  check(await maren.locator('[data-testid=message-item]', { hasText: 'Hello all' }).getByTestId('message-edited').waitFor().then(() => true, () => false), 'an edit is seen and marked');
  await newcomer.locator('[data-testid=message-item]', { hasText: 'Hello all' }).hover();
  await id(newcomer, 'message-delete').last().click();
  await id(newcomer, 'confirm-submit').click();
  check(await maren.getByText('Hello all').waitFor({ state: 'detached' }).then(() => true, () => false), 'a deletion is seen');

  /* A cut, a gap, an absence. */
  await fault('cut');
  await wait(50);
  await say(maren, 'through the cut');
  check(await has(newcomer, 'through the cut'), 'a message written during a cut arrives');
  check(await has(maren, 'through the cut'), 'and is confirmed');
  check((await once(maren, 'through the cut')) && (await once(newcomer, 'through the cut')), 'once on both sides');
  await fault('drop?n=2');
  for (const n of [1, 2, 3]) await say(maren, `gap ${n}`);
  check((await has(newcomer, 'gap 1')) && (await has(newcomer, 'gap 2')) && (await has(newcomer, 'gap 3')), 'a gap is filled');
  const order = (await texts(newcomer)).filter((t) => t.startsWith('gap'));
  check(order.join() === 'gap 1,gap 2,gap 3', `in order (${order.join()})`);
  await fault('away?ms=9000');
  await wait(1500);
  await say(maren, 'from the outbox one');
  await say(maren, 'from the outbox two');
  check(await has(maren, 'from the outbox one', 'pending'), 'what is written while away waits');
  await shot(maren, 'reconnecting');
  await wait(3500);
  await shot(maren, 'offline');
  await maren.waitForSelector('[data-testid=connection-state][data-state=ready]', { state: 'attached', timeout: 40000 });
  check((await has(newcomer, 'from the outbox one')) && (await has(newcomer, 'from the outbox two')), 'and is sent after the return');
  check((await once(newcomer, 'from the outbox one')) && (await once(maren, 'from the outbox one')), 'once');
  await maren.context().setOffline(true);
  await fault('cut');
  await say(newcomer, 'while you were gone');
  await say(maren, 'written without a network');
  await wait(10000);
  check((await maren.getByTestId('connection-state').getAttribute('data-state')) !== 'ready', 'ten seconds without a network are noticed');
  await maren.context().setOffline(false);
  check((await has(newcomer, 'written without a network')) && (await has(maren, 'while you were gone')), 'and both sides lose nothing');
  check((await once(newcomer, 'written without a network')) && (await once(maren, 'while you were gone')), 'or see it twice');
  await fault('forget');
  await wait(100);
  await say(newcomer, 'after a new session');
  check((await has(maren, 'after a new session')) && (await once(maren, 'after a new session')), 'identifying anew loses nothing');
  await fault('refuse?n=1');
  await say(maren, 'not allowed');
  check(await has(maren, 'not allowed', 'failed'), 'a refused message is marked');
  await wait(200);
  await shot(maren, 'failed');
  await id(maren, 'message-retry').click();
  check((await has(newcomer, 'not allowed')) && (await once(maren, 'not allowed')), 'and can be sent again');
  await fault('away?ms=4000');
  await say(maren, 'across a reload');
  await wait(300);
  await maren.reload();
  check(await has(newcomer, 'across a reload'), 'a waiting message survives a reload');
  await has(maren, 'across a reload');
  await wait(500);
  check(await once(maren, 'across a reload'), 'and is there once');

  /* Reading back. */
  const list = id(maren, 'message-list');
  await list.evaluate((el) => (el.scrollTop = 400));
  await maren.waitForFunction(() => document.querySelectorAll('[data-testid=message-item]').length > 60);
  await wait(400);
  const before = await list.evaluate((el) => {
    const at = el.getBoundingClientRect().top;
    const item = [...el.querySelectorAll('[data-message-id]')].find((m) => m.getBoundingClientRect().top > at);
    return { id: item.dataset.messageId, top: item.getBoundingClientRect().top, count: el.querySelectorAll('[data-message-id]').length };
  });
  await list.evaluate((el) => el.scrollBy(0, -el.scrollTop + 300));
  const top0 = await list.evaluate((el, m) => el.querySelector(`[data-message-id="${m}"]`).getBoundingClientRect().top, before.id);
  await maren.waitForFunction((n) => document.querySelectorAll('[data-message-id]').length > n, before.count);
  const top1 = await list.evaluate((el, m) => el.querySelector(`[data-message-id="${m}"]`).getBoundingClientRect().top, before.id);
  check(Math.abs(top1 - top0) < 2, `older messages leave the view in place (moved ${Math.round(top1 - top0)} px)`);
  await say(newcomer, 'while you read');
  await maren.getByRole('button', { name: 'New messages' }).waitFor();
  await wait(200);
  await shot(maren, 'history');
  await maren.getByRole('button', { name: 'New messages' }).click();
  check(await has(maren, 'while you read'), 'back to the newest');

  /* Unread. */
  await maren.getByTestId('channel-item').filter({ hasText: 'telescope' }).click();
  await wait(300);
  await say(newcomer, 'unseen one');
  const item = maren.getByTestId('channel-item').filter({ hasText: 'general' });
  await maren.waitForFunction(() => [...document.querySelectorAll('[data-testid=channel-item]')].some((e) => e.dataset.unread === 'true' && e.textContent.includes('general')));
  await shot(maren, 'unread');
  await item.click();
  check((await id(maren, 'new-divider').count()) === 1, 'a line marks what is new');
  await wait(1300);
  check((await item.getAttribute('data-unread')) === 'false', 'looking at it makes it read');

  /* Making things. */
  await id(maren, 'create-guild-button').click();
  await id(maren, 'create-guild-name').fill('Night Shift');
  await wait(200);
  await shot(maren, 'create');
  await id(maren, 'create-guild-submit').click();
  await maren.getByRole('heading', { name: 'Welcome to #general' }).waitFor();
  await id(maren, 'create-channel-button').click();
  await id(maren, 'create-channel-name').fill('Off Topic!');
  await id(maren, 'create-channel-submit').click();
  await maren.getByRole('heading', { name: 'Welcome to #off-topic' }).waitFor();
  await shot(maren, 'fresh');
  await maren.getByRole('button', { name: 'Night Shift: menu' }).click();
  await shot(maren, 'menu');
  await maren.keyboard.press('Escape');
  await maren.getByRole('button', { name: 'Settings', exact: true }).click();
  await maren.getByText('Firefox on Linux').waitFor();
  await wait(200);
  await shot(maren, 'settings');
  await maren.keyboard.press('Escape');
  await id(maren, 'theme-toggle').click();
  await wait(200);
  check((await maren.evaluate(() => document.documentElement.dataset.theme)) === 'light', 'the theme can be changed');
  await shot(maren, 'toggled');
  await id(newcomer, 'join-invite-button').click();
  await id(newcomer, 'join-invite-code').fill('nonsense code');
  await id(newcomer, 'join-invite-submit').click();
  check(await newcomer.getByRole('alert').waitFor().then(() => true, () => false), 'a wrong code is refused');
  await newcomer.keyboard.press('Escape');

  /* A phone. */
  const phone = await open({ viewport: { width: 390, height: 800 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 });
  await phone.goto(base);
  await shot(phone, 'phone-login');
  await login(phone, 'leo');
  await wait(300);
  await shot(phone, 'phone-chat');
  await id(phone, 'menu-button').click();
  await wait(300);
  await shot(phone, 'phone-menu');
  await phone.getByTestId('channel-item').filter({ hasText: 'gear' }).click();
  await wait(300);
  check((await phone.locator('.shell.left-open').count()) === 0, 'choosing a channel closes the drawer');
  await id(phone, 'members-toggle').click();
  await wait(300);
  await shot(phone, 'phone-members');
  await phone.mouse.click(20, 300);
  await wait(300);
  check(await phone.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nothing is wider than the phone');
  const tablet = await open({ viewport: { width: 820, height: 900 }, colorScheme: 'light' });
  await login(tablet, 'priya');
  await wait(300);
  await shot(tablet, 'tablet');

  const lonely = await open();
  await lonely.goto(base);
  await id(lonely, 'switch-to-register').click();
  await id(lonely, 'register-username').fill('lonely');
  await id(lonely, 'register-password').fill('long enough words');
  await id(lonely, 'register-submit').click();
  await lonely.getByText('Hello, lonely').waitFor();
  await shot(lonely, 'welcome');
  await id(lonely, 'join-invite-button').click();
  await id(lonely, 'join-invite-code').fill(`${base}/invite/fieldnotes`);
  await id(lonely, 'join-invite-submit').click();
  await id(lonely, 'message-item').first().waitFor();
  await id(lonely, 'logout-button').click();
  await id(lonely, 'login-username').waitFor();
  check(true, 'logging out leads to the door');
  check((await lonely.evaluate(() => Object.keys(localStorage).filter((k) => /session|outbox/.test(k)).length)) === 0, 'and leaves nothing behind');
  check(strangers.length === 0, `no request leaves the server (${strangers.length})`);
} catch (error) {
  check(false, error.stack);
} finally {
  await browser.close();
  mock.kill();
}
process.exitCode = failed > 0 ? 1 : 0;
