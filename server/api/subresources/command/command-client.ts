/** The client's end of an exec or an attach, whatever protocol it speaks. */
export interface CommandClient {
  /** Until the client says that this was all. Reading slowly slows the client. */
  input(): AsyncIterable<Uint8Array>;
  /** Tells each new size of the client's terminal, also the last that came before. */
  onResize(tell: (columns: number, rows: number) => void): void;
  /** Calls back once when the client is gone. */
  onGone(tell: () => void): void;
  /** Resolves when the client has room for more. Rejects when it is gone. */
  send(channel: 'stdout' | 'stderr', data: Uint8Array): Promise<void>;
  /** The last word; then the client ends the connection, or is made to. */
  finish(status: EndStatus): Promise<void>;
  /** The server is stopping. */
  leave(): void;
  /** Says something, so that a dead connection is noticed. */
  ping(): void;
}

/** A Status, as far as a session's end needs one; its reasons are of the session's own kind. */
export interface EndStatus {
  metadata: object;
  status: 'Success' | 'Failure';
  message?: string;
  reason?: string;
  details?: object;
  code?: number;
}

/** What the client asked to be connected to. */
export interface WantedStreams {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  tty: boolean;
}

/** The size in a resize message; undefined when it makes no sense. */
export function terminalSize(json: string): { columns: number; rows: number } | undefined {
  try {
    const { Width, Height } = JSON.parse(json) as { Width?: unknown; Height?: unknown };
    const fits = (size: unknown): size is number =>
      typeof size === 'number' && Number.isInteger(size) && size > 0 && size <= 0xffff;
    return fits(Width) && fits(Height) ? { columns: Width, rows: Height } : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps the last size until somebody wants to know, then tells each at once. */
export class LatestSize {
  #size: { columns: number; rows: number } | undefined;
  #tell: ((columns: number, rows: number) => void) | undefined;

  set(size: { columns: number; rows: number } | undefined): void {
    if (!size) return;
    this.#size = size;
    this.#tell?.(size.columns, size.rows);
  }

  onResize(tell: (columns: number, rows: number) => void): void {
    this.#tell = tell;
    if (this.#size) tell(this.#size.columns, this.#size.rows);
  }
}
