/** One line as a person types it, and what comes of it. */
export interface Row {
  /** What follows `kubectl`, or a line of the shell that says `kubectl` itself. */
  run: string;
  /** What it prints. */
  says?: RegExp;
  /** It must fail, saying this. */
  fails?: RegExp;
  input?: string;
  /** Holds after a while. */
  eventually?: true;
}

export interface Story {
  title: string;
  rows: readonly Row[];
  /** Needs a container engine. */
  containers?: boolean;
}

/** Ends at once when asked to, says a line a second until then. */
export const loop =
  'trap "exit 0" TERM; n=0; while true; do n=$((n+1)); echo "tick $n"; sleep 1 & wait $!; done';
