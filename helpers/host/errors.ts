/**
 * An error that the user can mend: bad input, a missing tool, a full disk. Commands print it as one line with the
 * remedy, without a stack trace, and exit with 2.
 */
export class UserError extends Error {
  override name = "UserError";
  readonly remedy: string;

  constructor(what: string, remedy: string, options?: ErrorOptions) {
    super(what, options);
    this.remedy = remedy;
  }
}
