import { join } from 'node:path';
import { openApiClient } from '../api-client.ts';
import { checkoutDirectory } from '../checkout.ts';
import { CommandError, defineCommand } from '../command.ts';
import { createToken } from '../create-token.ts';

const hourMs = 3_600_000;
const hoursDefault = 24;

export const command = defineCommand({
  name: 'token create',
  summary: 'Make a token with which a device can join',
  description: [
    'Prints a token for `flotilla agent --join`. It is good for one device and 24 hours, unless said otherwise.',
    `Tokens are Secrets in kube-system; \`kubectl -n kube-system delete secret bootstrap-token-<first six letters>\` revokes one.`,
  ].join('\n'),
  options: {
    kubeconfig: {
      type: 'string',
      placeholder: 'FILE',
      description: 'kubeconfig of an admin ($KUBECONFIG, or .flotilla/kubeconfig)',
    },
    reusable: { type: 'boolean', description: 'good for any number of devices' },
    hours: { type: 'integer', placeholder: 'N', description: 'how long it is good (24); 0 for ever' },
    nodes: {
      type: 'string',
      placeholder: 'PATTERN',
      description: 'names that may join with it, e.g. barn-*',
    },
    'allow-rejoin': {
      type: 'boolean',
      description: 'a device may take over the name of a node that exists (reinstalled device)',
    },
    description: { type: 'string', placeholder: 'TEXT', description: 'what it is for' },
  },
  async run(context, options) {
    const kubeconfig =
      options.kubeconfig ??
      context.environment.KUBECONFIG ??
      join(checkoutDirectory(), '.flotilla/kubeconfig');
    const hours = options.hours ?? hoursDefault;
    if (options.nodes !== undefined && !/^[a-z0-9.*-]+$/.test(options.nodes)) {
      throw new CommandError(
        `--nodes takes a name with * for any characters, not ${JSON.stringify(options.nodes)}`,
        { exitCode: 2 },
      );
    }
    const token = await createToken(await openApiClient(kubeconfig), {
      random: context.random,
      now: context.clock.now(),
      singleUse: !(options.reusable ?? false),
      allowRejoin: options['allow-rejoin'] ?? false,
      ...(hours === 0 ? {} : { ttlMs: hours * hourMs }),
      ...(options.nodes === undefined ? {} : { nodes: options.nodes }),
      ...(options.description === undefined ? {} : { description: options.description }),
    });
    context.print(token);
  },
});
