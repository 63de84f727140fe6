import type { UserError } from '../../../errors.ts';

/** Why a source was skipped; the message follows the name of the source. */
export class SourceFailure extends Error {
  override readonly name = 'SourceFailure';
  readonly missing: boolean; // the source was reached and has no such file
  readonly hint: string | undefined; // what to do, if it is known

  constructor(reason: string, options: { cause?: unknown; missing?: boolean; hint?: string } = {}) {
    super(reason, { cause: options.cause });
    this.missing = options.missing ?? false;
    this.hint = options.hint;
  }

  /** The failure of a source that sent a file with this error. */
  static of(error: UserError): SourceFailure {
    return new SourceFailure(error.message.replace(/\.$/, ''), { cause: error, hint: error.hint });
  }
}
