import assert from 'node:assert/strict';
import { join } from 'node:path';
import { openDesiredSet } from '../../agent/desired/desired-set.ts';
import { openJournal } from '../../agent/desired/journal.ts';
import { silentLogger } from '../../lib/log.ts';
import { systemRandom } from '../../lib/random.ts';
import type { Pod } from '../../protocol/generated/models.ts';
import { entryDigest, setHash, sumOf } from '../../protocol/sync-hash.ts';

/** Leaves a desired set on disk that holds these pods, as an earlier life of the agent would have. */
export async function desire(dataDir: string, ...pods: Pod[]): Promise<void> {
  await using journal = await openJournal({ path: join(dataDir, 'journal'), log: silentLogger });
  const set = openDesiredSet({ journal, log: silentLogger, random: systemRandom });
  const put = pods.map((pod) => {
    const object = { ...pod };
    return { key: `Pod/${pod.metadata?.uid ?? ''}`, digest: entryDigest(object), object };
  });
  const del = [...set.entries.keys()].filter((key) => !put.some((entry) => entry.key === key));
  const outcome = await set.apply({
    type: 'snapshot',
    session: 'test',
    epoch: 'test',
    nonce: set.nonce,
    to: set.revision + 1,
    hash: setHash(sumOf(put)),
    put,
    del,
  });
  assert.equal(outcome, 'applied');
}
