/** Why an agent cannot start, in words for the person who started it. */
export type AgentErrorCode = 'BadConfig' | 'DataDirUnusable' | 'DataDirInUse';

export class AgentError extends Error {
  readonly code: AgentErrorCode;

  constructor(code: AgentErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'AgentError';
    this.code = code;
  }
}
