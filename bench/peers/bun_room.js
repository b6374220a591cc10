// A room per number on Bun's own publish: what one client says goes to all of its room, itself included.
// usage: bun bun_room.js PORT
Bun.serve({
  hostname: '127.0.0.1',
  port: Number(Bun.argv[2]),
  fetch(request, server) {
    const room = new URL(request.url).searchParams.get('room') ?? '0';
    return server.upgrade(request, { data: { room } }) ? undefined : new Response('WebSocket only', { status: 426 });
  },
  websocket: {
    perMessageDeflate: false,
    publishToSelf: true,
    open(socket) {
      socket.subscribe(socket.data.room);
    },
    message(socket, text) {
      socket.publish(socket.data.room, text);
    },
  },
});
