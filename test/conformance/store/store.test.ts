/** Every rule of the store's contract, over every driver. */
import { compactionRules } from './compaction-rules.ts';
import { levelDriver, memoryDriver } from './drivers.ts';
import { leadershipRules } from './leadership-rules.ts';
import { readRules } from './read-rules.ts';
import { watchRules } from './watch-rules.ts';
import { writeRules } from './write-rules.ts';

for (const driver of [memoryDriver, levelDriver]) {
  writeRules(driver);
  readRules(driver);
  watchRules(driver);
  compactionRules(driver);
  leadershipRules(driver);
}
