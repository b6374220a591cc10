/* Runs in a worker: counts time for the page. A negative time cancels. */
const running = new Map<number, ReturnType<typeof setTimeout>>();

self.onmessage = (event: MessageEvent<{ timer: number; ms: number }>) => {
  const { timer, ms } = event.data;
  if (ms < 0) {
    clearTimeout(running.get(timer));
    running.delete(timer);
    return;
  }
  running.set(
    timer,
    setTimeout(() => {
      running.delete(timer);
      self.postMessage(timer);
    }, ms),
  );
};
