/** Why a source was passed over, in words that follow its name. */
export class SourceFailure extends Error {
  override readonly name = 'SourceFailure';
  readonly missing: boolean; // it was reached and has no such file

  constructor(reason: string, options: { cause?: unknown; missing?: boolean } = {}) {
    super(reason, { cause: options.cause });
    this.missing = options.missing ?? false;
  }
}
