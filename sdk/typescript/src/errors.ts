/** What can go wrong, as classes: each says what a caller can do about it. */

/** All errors of this package. */
export class PenguinError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message);
    this.name = new.target.name;
    if (options?.cause !== undefined) Object.defineProperty(this, 'cause', { value: options.cause, enumerable: false });
  }
}

/** The parameters are not valid. Nothing was sent. */
export class ValidationError extends PenguinError {
  constructor(
    message: string,
    /** The parameter, as the API names it. */
    readonly field?: string,
  ) {
    super(message);
  }
}

/** No answer came within `timeoutMs`. Whether the server has done it is not known. */
export class TimeoutError extends PenguinError {
  constructor(readonly timeoutMs: number) {
    super(`No answer within ${timeoutMs} ms.`);
  }
}

/** The server could not be reached, or the connection was lost before the answer. */
export class NetworkError extends PenguinError {}

/** The server has refused. Branch on `code`. */
export class APIRequestError extends PenguinError {
  /** Of 429 and 503: how long the server asks to wait. */
  declare readonly retryAfterMs: number | undefined;

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    /** The answer as it came: an object where it was JSON. */
    readonly body: unknown,
    /** Leads to the server's log. */
    readonly requestId: string | undefined,
    retryAfterMs?: number,
  ) {
    super(message);
    Object.defineProperty(this, 'retryAfterMs', { value: retryAfterMs, enumerable: false });
  }
}
