// A room per number on Node's ws: what one client says goes to all of its room, itself included.
// usage: node ws_room.mjs PORT MODULES (the folder whose node_modules holds ws)
import { createRequire } from 'node:module';
import { resolve } from 'node:path';

const { WebSocketServer } = createRequire(resolve(process.argv[3], 'x.js'))('ws');
const rooms = new Map();

new WebSocketServer({ host: '127.0.0.1', port: Number(process.argv[2]), perMessageDeflate: false, backlog: 4096 }).on(
  'connection',
  (socket, request) => {
    const name = new URL(request.url, 'ws://localhost').searchParams.get('room') ?? '0';
    const room = rooms.get(name) ?? rooms.set(name, new Set()).get(name);
    room.add(socket);
    socket.on('close', () => room.delete(socket));
    socket.on('error', () => socket.terminate());
    socket.on('message', (data) => {
      for (const member of room) member.send(data, { binary: false });
    });
  },
);
