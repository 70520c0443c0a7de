import assert from 'node:assert/strict';
import { it } from 'node:test';
import { silentLogger } from '../../../../lib/log.ts';
import { limits } from '../../../../protocol/limits.ts';
import { createBrokerHooks } from '../../../../server/bus/broker-hooks.ts';
import { Dispatcher } from '../../../../server/bus/dispatcher.ts';

it('a will without a client (of a broker past) is refused, not thrown at', () => {
  const hooks = createBrokerHooks({
    cluster: 'c1',
    limits,
    authenticator: { device: async () => true, join: async () => 'refused' },
    dispatcher: new Dispatcher(silentLogger),
    sessionOf: () => undefined,
    isClosing: () => false,
    onRefused: () => {},
  });
  const will = {
    cmd: 'publish' as const,
    topic: 'flotilla/c1/nodes/a/up/gone',
    payload: Buffer.from('x'),
    qos: 1 as const,
    dup: false,
    retain: false,
  };
  const answers: unknown[] = [];
  hooks.authorizePublish(null, will, (error) => void answers.push(error));
  assert(answers[0] instanceof Error);
});
