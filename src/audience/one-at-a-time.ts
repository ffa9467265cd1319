/**
 * Asks PostgreSQL one question at a time. After one that failed comes a pause: the need for an
 * answer is still there.
 */
export class OneAtATime {
  #isBusy = false;
  #isClosed = false;
  #pause: NodeJS.Timeout | null = null;

  /** Whether a question is under way, or the pause after one that failed. */
  get isBusy(): boolean {
    return this.#isBusy;
  }

  /**
   * Asks one question; not to be called while busy.
   *
   * @param next called when there is an answer, or after the pause of `retryMs`
   * @param failed told why there is none
   */
  run(
    question: () => Promise<void>,
    next: () => void,
    failed: (error: unknown) => void,
    retryMs: number,
  ): void {
    this.#isBusy = true;
    question().then(
      () => {
        this.#isBusy = false;
        next();
      },
      (error: unknown) => {
        failed(error);
        if (this.#isClosed) return;
        this.#pause = setTimeout(() => {
          this.#pause = null;
          this.#isBusy = false;
          next();
        }, retryMs);
      },
    );
  }

  /** Ends the pause, if there is one, without going on after it. */
  close(): void {
    this.#isClosed = true;
    if (this.#pause !== null) clearTimeout(this.#pause);
  }
}
