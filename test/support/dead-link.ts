import type { Link, StreamLease } from '../../agent/link/link.ts';

/** A link that never connects. */
export class DeadLink implements Link {
  started = false;
  readonly connected = false;
  start(): void {
    this.started = true;
  }
  send(): boolean {
    return false;
  }
  on(): Disposable {
    return nothing;
  }
  onConnected(): Disposable {
    return nothing;
  }
  onDisconnected(): Disposable {
    return nothing;
  }
  openStreams(): Promise<StreamLease> {
    return Promise.reject(new Error('not connected'));
  }
  async [Symbol.asyncDispose](): Promise<void> {}
}
const nothing: Disposable = { [Symbol.dispose]() {} };
