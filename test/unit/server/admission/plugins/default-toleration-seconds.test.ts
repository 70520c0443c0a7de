import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { podKind } from '../../../../../protocol/kinds/pod.ts';
import { defaultTolerationSeconds } from '../../../../../server/admission/plugins/default-toleration-seconds.ts';
import { openAdmission, pod } from '../admission-fixture.ts';

const forEver = (key: string) => ({ key, operator: 'Exists', effect: 'NoExecute' });
const notReady = forEver('node.kubernetes.io/not-ready');
const unreachable = forEver('node.kubernetes.io/unreachable');

describe('DefaultTolerationSeconds', () => {
  const tolerationsOf = async (tolerations?: object[]) => {
    await using fixture = await openAdmission({ plugins: [defaultTolerationSeconds] });
    const { spec } = await fixture.registry.create(podKind, pod('a', tolerations ? { tolerations } : {}));
    return spec?.tolerations;
  };

  test('a pod stays on a node that is silent', async () => {
    assert.deepEqual(await tolerationsOf(), [notReady, unreachable]);
  });

  test('a toleration of its own for a silent node stays as it is, and is the only one', async () => {
    const own = { ...unreachable, tolerationSeconds: 60 };
    assert.deepEqual(await tolerationsOf([own]), [own, notReady]);
    const all = { operator: 'Exists' };
    assert.deepEqual(await tolerationsOf([all]), [all]);
  });
});
