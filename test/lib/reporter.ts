import { reporters, Runner, type MochaOptions } from 'mocha';

/** Mocha's own report, followed by one line with the counts for programs that read it. */
class SpecWithCounts extends reporters.Spec {
  constructor(runner: Runner, options: MochaOptions) {
    super(runner, options);
    const { EVENT_RUN_END } = Runner.constants;
    runner.once(EVENT_RUN_END, () => {
      const { passes, failures, pending } = this.stats;
      console.log(`${passes} passed, ${failures} failed, ${pending} skipped`);
    });
  }
}

export = SpecWithCounts;
