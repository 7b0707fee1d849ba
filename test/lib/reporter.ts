import { reporters, Runner, type MochaOptions, type Test } from 'mocha';

/** Mocha's own report, followed by a line for each test that passed only at its second attempt, and one with the counts for programs. */
class SpecWithCounts extends reporters.Spec {
  constructor(runner: Runner, options: MochaOptions) {
    super(runner, options);
    const { EVENT_RUN_END, EVENT_TEST_PASS, EVENT_TEST_RETRY } = Runner.constants;
    const faults = new Map<string, string>();
    const unsteady: string[] = [];
    runner.on(EVENT_TEST_RETRY, (test: Test, { message }: Error) => faults.set(test.fullTitle(), message.split('\n', 1)[0]));
    runner.on(EVENT_TEST_PASS, (test: Test) => {
      const fault = faults.get(test.fullTitle());
      if (fault !== undefined) unsteady.push(`second attempt: ${test.fullTitle()}: ${fault}`);
    });
    runner.once(EVENT_RUN_END, () => {
      const { passes, failures, pending } = this.stats;
      for (const line of unsteady) console.log(line);
      console.log(`${passes} passed, ${failures} failed, ${pending} skipped`);
    });
  }
}

export = SpecWithCounts;
