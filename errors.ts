/** The kinds of failure a script may want to tell apart; each has its own exit code (cli/output.ts). */
export type ErrorKind =
  | 'error' // anything without a kind of its own
  | 'usage' // a flag or argument is wrong
  | 'model-not-found'
  | 'network'
  | 'memory' // the model or its context does not fit
  | 'context' // more tokens than the context holds
  | 'device' // it was lost, or failed, while it computed
  | 'no-code'; // the answer has no code block

/**
 * A failure the user can act on. `message` says what was expected and what came, `hint` what to do next;
 * the terminal shows both on a line each, and `cause` under --debug.
 */
export class UserError extends Error {
  override readonly name = 'UserError';
  readonly hint: string;
  readonly kind: ErrorKind;

  constructor(message: string, hint: string, options: { cause?: unknown; kind?: ErrorKind } = {}) {
    super(message, { cause: options.cause });
    this.hint = hint;
    this.kind = options.kind ?? 'error';
  }
}
