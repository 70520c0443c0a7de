import type { ControllerRevision, DaemonSet, Pod } from '../../../protocol/generated/models.ts';
import { daemonSetKind } from '../../../protocol/kinds/daemon-set.ts';
import { storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { type Revisions, revisionHashLabel, revisionTemplate } from '../controller-revisions.ts';
import type { ControllerContext } from '../define-controller.ts';
import { ignoreGone } from '../expected-failures.ts';
import { nameOf } from '../object-name.ts';
import type { PolicyBook, PolicyOf } from '../rollout-policy/policy-book.ts';
import type { RolloutRules } from './rollout-gate.ts';

/** Earlier revisions that may not be forgotten: pods are of them, or a rollback goes there. */
function liveRevisions(
  { old }: Revisions,
  pods: readonly Readonly<Pod>[],
  stable: string | undefined,
): Readonly<ControllerRevision>[] {
  const hashes = new Set(pods.map(({ metadata }) => metadata?.labels?.[revisionHashLabel]));
  return old.filter((revision) => hashes.has(hashOf(revision)) || hashOf(revision) === stable);
}

export function liveNames(
  revisions: Revisions,
  pods: readonly Readonly<Pod>[],
  stable: string | undefined,
): ReadonlySet<string> {
  return new Set(liveRevisions(revisions, pods, stable).map((revision) => storedMeta(revision).name));
}

/** What the plan must know of the policy that the DaemonSet follows. */
export function rulesOf(facts: {
  policy: PolicyOf;
  policies: PolicyBook<DaemonSet>;
  daemonSet: Readonly<DaemonSet>;
  revisions: Revisions;
  owned: readonly Readonly<Pod>[];
}): RolloutRules | 'held' | undefined {
  const { policy, policies, daemonSet, revisions, owned } = facts;
  if (policy === 'none') return undefined;
  if (policy === 'held') return policy;
  const previous = liveRevisions(revisions, owned, undefined).at(-1);
  return {
    policy,
    before: policies.rolloutOf(policy, daemonSet),
    previousRevision: previous && hashOf(previous),
    knownRevisions: new Set(revisions.old.map(hashOf)),
  };
}

export function hashOf({ metadata }: Readonly<ControllerRevision>): string {
  return metadata?.labels?.[revisionHashLabel] ?? '';
}

export function findRevision(
  { old }: Revisions,
  hash: string | undefined,
): Readonly<ControllerRevision> | undefined {
  return old.find((revision) => hashOf(revision) === hash);
}

export function withTemplate(
  daemonSet: Readonly<DaemonSet>,
  revision: Readonly<ControllerRevision>,
): Readonly<DaemonSet> {
  return { ...daemonSet, spec: { ...(daemonSet.spec ?? noSpec), template: revisionTemplate(revision) } };
}

const noSpec = { selector: {}, template: {} };

/** As `kubectl rollout undo` does it; unless somebody has changed the DaemonSet meanwhile. */
export async function rollBack(
  { registry }: ControllerContext,
  daemonSet: Readonly<DaemonSet>,
  revisions: Revisions,
  hash: string,
): Promise<void> {
  const revision = findRevision(revisions, hash);
  if (!revision) return;
  const { uid, generation } = storedMeta(daemonSet);
  const change = (draft: DaemonSet) => {
    const { metadata, spec } = draft;
    if (metadata?.uid !== uid || metadata.generation !== generation || !spec) return;
    spec.template = revisionTemplate(revision);
  };
  await registry.mutate(daemonSetKind, nameOf(daemonSet), change).catch(ignoreGone);
}
