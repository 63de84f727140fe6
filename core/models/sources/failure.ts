/** Why a source was skipped; the message follows the name of the source. */
export class SourceFailure extends Error {
  override readonly name = 'SourceFailure';
  readonly missing: boolean; // the source was reached and has no such file

  constructor(reason: string, options: { cause?: unknown; missing?: boolean } = {}) {
    super(reason, { cause: options.cause });
    this.missing = options.missing ?? false;
  }
}
