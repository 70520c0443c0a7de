import { after, before, describe } from 'node:test';
import { type DriverBench, driverBenches } from './bench.ts';
import { endingRules } from './ending-rules.ts';
import { execRules } from './exec-rules.ts';
import { imageRules } from './image-rules.ts';
import { isolationRules } from './isolation-rules.ts';
import { lifecycleRules } from './lifecycle-rules.ts';
import { logRules } from './log-rules.ts';
import { mountRules } from './mount-rules.ts';
import { restartRules } from './restart-rules.ts';
import { stopRules } from './stop-rules.ts';

/** Every rule over every runtime driver that works on this host; what does not says why. */
for (const definition of await driverBenches())
  describe(`driver: ${definition.name}`, { skip: definition.skip ?? false, concurrency: 4 }, () => {
    let bench: DriverBench | undefined;
    before(async () => {
      bench = await definition.make();
    });
    after(() => bench?.[Symbol.asyncDispose]());
    const use = () => {
      if (!bench) throw new Error('the bench is not made yet');
      return bench;
    };
    for (const rules of [
      lifecycleRules,
      stopRules,
      restartRules,
      logRules,
      execRules,
      imageRules,
      isolationRules,
      mountRules,
      endingRules,
    ])
      rules(use, definition.traits);
  });
