/**
 * Resolves when input that is waiting was handled: long work on the one thread awaits it between its slices. It takes no
 * time of the clock's, so a simulation need not own it.
 */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
