/** Runs a task at the next animation frame, at most once; in a hidden tab a little later. */

/** How long a hidden tab, which draws no frames, may put a task off (milliseconds). */
const HIDDEN = 250;

/** Joins many wishes for the same task into one. */
export class NextFrame {
  private frame: number | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly task: () => void) {}

  /** Wish that the task runs soon. */
  request(): void {
    if (this.timer !== undefined) {
      return;
    }
    this.timer = setTimeout(this.run, HIDDEN);
    if (typeof requestAnimationFrame === 'function') {
      this.frame = requestAnimationFrame(this.run);
    }
  }

  /** Run it now, if it was wished for. */
  flush(): void {
    if (this.timer !== undefined) {
      this.run();
    }
  }

  /** Forget the wish. */
  cancel(): void {
    clearTimeout(this.timer);
    if (this.frame !== undefined) {
      cancelAnimationFrame(this.frame);
    }
    this.timer = undefined;
    this.frame = undefined;
  }

  private readonly run = (): void => {
    this.cancel();
    this.task();
  };
}
