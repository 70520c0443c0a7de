import type { Random } from '../../lib/random.ts';
import type { Pod } from '../../protocol/generated/models.ts';
import { configMapKind } from '../../protocol/kinds/config-map.ts';
import { podKind } from '../../protocol/kinds/pod.ts';
import { secretKind } from '../../protocol/kinds/secret.ts';
import { StatusError } from '../../protocol/status.ts';
import type { SimServer } from './sim-server.ts';

/**
 * The people and controllers: makes, binds, changes and deletes what devices run, and remembers what it bound
 * where.
 */
export class Workload {
  readonly #server: SimServer;
  readonly #random: Random;
  readonly #nodes: readonly string[];
  readonly #bindings = new Set<string>();
  #count = 0;

  constructor({ server, random, nodes }: { server: SimServer; random: Random; nodes: readonly string[] }) {
    this.#server = server;
    this.#random = random;
    this.#nodes = nodes;
  }

  wasBound(uid: string, node: string): boolean {
    return this.#bindings.has(`${uid}/${node}`);
  }

  /** One thing at random. With the server down nobody can change anything. */
  async act(): Promise<void> {
    if (!this.#server.running) return;
    try {
      await this.#actAtRandom();
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
    }
  }

  async #actAtRandom(): Promise<void> {
    const chance = this.#random.fraction();
    if (chance < 0.25) return this.#createPod();
    if (chance < 0.4) return this.#bindSome();
    if (chance < 0.6) return this.#deletePod();
    if (chance < 0.7) return this.#labelPod();
    if (chance < 0.85) return this.#changeConfig();
  }

  async #createPod(): Promise<void> {
    this.#count += 1;
    const node = this.#random.fraction() < 0.6 ? this.#pick(this.#nodes) : undefined;
    const refusing = this.#random.fraction() < 0.15 ? this.#pick(this.#nodes) : '';
    const names = { config: this.#name('config'), secret: this.#name('secret') };
    const pod = await this.#server.registry.create(podKind, {
      metadata: { name: `pod-${this.#count}`, namespace: 'default', labels: { refuse: refusing } },
      spec: {
        ...(node === undefined ? {} : { nodeName: node }),
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: 'main',
            image: 'none',
            envFrom: [{ configMapRef: { name: names.config } }, { secretRef: { name: names.secret } }],
          },
        ],
      },
    });
    if (node !== undefined) this.#bindings.add(`${pod.metadata?.uid}/${node}`);
  }

  /** The scheduler. */
  async #bindSome(): Promise<void> {
    for (const pod of await this.#pods()) {
      const { uid = '', name = '', namespace = '' } = pod.metadata ?? {};
      if (pod.spec?.nodeName || pod.metadata?.deletionTimestamp || this.#random.fraction() < 0.5) continue;
      const node = this.#pick(this.#nodes);
      this.#bindings.add(`${uid}/${node}`);
      await this.#server.registry.bind({ namespace, name }, uid, node);
    }
  }

  async #deletePod(): Promise<void> {
    const pod = this.#pick(await this.#pods());
    if (!pod) return;
    const { name = '', namespace = '' } = pod.metadata ?? {};
    const force = this.#random.fraction() < 0.25 ? { gracePeriodSeconds: 0 } : {};
    await this.#server.registry.delete(podKind, { namespace, name }, force);
  }

  async #labelPod(): Promise<void> {
    const pod = this.#pick(await this.#pods());
    if (!pod) return;
    const { name = '', namespace = '' } = pod.metadata ?? {};
    await this.#server.registry.mutate(podKind, { namespace, name }, (draft) => {
      ((draft.metadata ??= {}).labels ??= {}).change = String(this.#random.fraction() < 0.5);
    });
  }

  async #changeConfig(): Promise<void> {
    const { registry } = this.#server;
    const secret = this.#random.fraction() < 0.5;
    const at = { namespace: 'default', name: this.#name(secret ? 'secret' : 'config') };
    // Few values, so that states come back and a late message may look as if it fitted.
    const value = this.#random.fraction() < 0.5 ? 'on' : 'off';
    if (this.#random.fraction() < 0.2) {
      if (secret) await registry.delete(secretKind, at);
      else await registry.delete(configMapKind, at);
      return;
    }
    const data = { value: Buffer.from(value).toString('base64') };
    const change = (draft: { data?: Record<string, string> }) => {
      draft.data = data;
    };
    try {
      if (secret) await registry.mutate(secretKind, at, change);
      else await registry.mutate(configMapKind, at, change);
    } catch {
      if (secret) await registry.create(secretKind, { metadata: at, type: 'Opaque', data });
      else await registry.create(configMapKind, { metadata: at, data });
    }
  }

  async #pods(): Promise<Pod[]> {
    return (await this.#server.registry.list(podKind)).items;
  }

  #name(kind: string): string {
    return `${kind}-${Math.floor(this.#random.fraction() * 3)}`;
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random.fraction() * list.length)] as T;
  }
}
